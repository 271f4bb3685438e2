"""Which numbers are not clean, and why, for who wanted to have them."""

from collections.abc import Iterator, Sequence

from ringfence import CheckedNumber, Verdict
from ringfence.engine.number import format_number
from ringfence.wording.times import time_text

SHOWN_MAX = 100

_WHY = {
    Verdict.AGING: "not long enough in quarantine",
    Verdict.NOISY: "more reached it than its policy allows",
    Verdict.UNOBSERVED: "too little of its silence was listened to",
    Verdict.HELD: "an operator holds it",
    Verdict.RESERVED: "reserved already",
    Verdict.ASSIGNED: "handed out already",
    Verdict.RETIRED: "out of use for good",
    Verdict.UNTRACKED: "not in quarantine",
}


def why_text(verdict: Verdict) -> str:
    """The verdict, and what it means for who wants the number."""
    return f"{verdict.name}: {_WHY[verdict]}" if verdict in _WHY else verdict.name


def not_clean_lines(checked: Sequence[CheckedNumber]) -> Iterator[str]:
    """A line for each number that is not clean, and how many more there are."""
    found = [each for each in checked if each.verdict != Verdict.CLEAN]
    for each in found[:SHOWN_MAX]:
        later = ""
        if each.expected_at:
            later = f"; clean from {time_text(each.expected_at)}, if it stays silent and is"
            later += " listened to"
        yield f"{format_number(each.number)}  {why_text(each.verdict)}{later}"
    if len(found) > SHOWN_MAX:
        yield f"and {len(found) - SHOWN_MAX:,} more (`ringfence check` has all)"
