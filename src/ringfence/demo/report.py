"""What the demo prints: its steps, the verdicts and why, one number, and what to type next."""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ringfence import Number, Verdict
from ringfence.wording.explanation import explanation
from ringfence.wording.words import COLOURS, rule_text, span_text

BAR_WIDTH = 20  # all fits a terminal of 80 columns
_MEANS = {
    Verdict.CLEAN: "fit to be handed out",
    Verdict.AGING: "quiet, but not yet for long enough",
    Verdict.NOISY: "the previous owner is still sought",
}
_NEXT = (
    ("serve --data ringfence-data", "run a server of your own"),
    ("feeds put feed.toml", 'register a switch; the file: [[feed]], then name = "my-switch"'),
    ("quarantine +447700900000-+447700900999", "put numbers into quarantine"),
    ("adapter hep --feed my-switch --country 44", "feed it from a SIP switch"),
    ("check +447700900123", "ask whether a number is clean"),
    ("explain +447700900123", "and why"),
    ("reserve default --count 3", "lease clean numbers, oldest first"),
    ("--help", "everything else"),
)


def show_beginning(console: Console) -> None:
    """Says what is about to happen."""
    console.print(Text("Ringfence", "bold"), "looks at the traffic, not at the calendar.\n")


def show_step(console: Console, name: str, text: str) -> None:
    """One thing that has been done."""
    console.print(Text.assemble(("done  ", "green"), (name.ljust(12), "bold"), text))


def show_verdicts(console: Console, counts: Mapping[Verdict, int], noisy: Sequence[Number]) -> None:
    """How many numbers have which verdict, and which rules the noisy ones break."""
    _heading(console, "What became of the numbers")
    total = sum(counts.values())
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for verdict, count in sorted(counts.items()):
        style = COLOURS.get(verdict.name, "")
        bar = "█" * max(1, round(count / total * BAR_WIDTH))
        table.add_row(
            Text(verdict.name, f"bold {style}"),
            Text(str(count), justify="right"),
            Text(bar, style),
            _MEANS.get(verdict, ""),
        )
    console.print(Padding(table, (0, 2)))

    _heading(console, "Why numbers are noisy")
    broken = Counter(
        (result.measure, result.kinds, result.window, result.limit)
        for number in noisy
        for result in number.rule_results
        if result.broken
    )
    rules = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in ("rule broken", "in the last", "at most", "numbers"):
        rules.add_column(name, justify="left" if name == "rule broken" else "right")
    for (measure, kinds, window, limit), count in broken.most_common():
        rules.add_row(rule_text(measure, kinds), span_text(window), str(limit), str(count))
    console.print(rules)


def show_number(console: Console, number: Number) -> None:
    """One number explained, as `ringfence explain` does."""
    _heading(console, "One number in full: ringfence explain")
    console.print(Padding(explanation(number, datetime.now(UTC), on_trust=True), (0, 2)))


def show_hand_out(console: Console, numbers: Sequence[int], clean: int) -> None:
    """Numbers that an allocator has reserved and confirmed."""
    _heading(console, "Handed out: the numbers that have been clean for longest")
    given = ", ".join(f"+{number}" for number in numbers)
    console.print(f"  {given}; {clean - len(numbers)} clean ones are left")


def show_end(console: Console, took_s: float) -> None:
    """What is left, and what to type next."""
    _heading(console, "What to type next")
    for arguments, what in _NEXT:
        console.print(Text(f"  # {what}", "dim"))
        # To be copied as it stands.
        console.print(Text(f"  {_command()} {arguments}", "cyan"), soft_wrap=True)
    console.print(f"\nThat took {took_s:.0f} s; the server is gone and nothing was left behind.")


def _command() -> str:
    """How the command line was called, so that it can be called like that again."""
    if shutil.which("ringfence"):
        return "ringfence"
    if os.path.basename(sys.argv[0]) == "ringfence":
        return os.path.relpath(sys.argv[0])
    return "python -m ringfence.cli"


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, "bold underline"))
    console.print()
