"""A number's verdict in plain words, for the employee at the counter and for the demo."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ringfence import EventKind, Number, Policy, RecentEvent, Reservation, RuleResult, Verdict
from ringfence.engine.number import format_number
from ringfence.engine.settings.on_trust import ON_TRUST
from ringfence.wording.promise import clean_from
from ringfence.wording.times import time_text
from ringfence.wording.words import COLOURS, count_text, distance_text, rule_text, span_text


def explanation(
    number: Number,
    asked_at: datetime,
    reservation: Reservation | None = None,
    *,
    forecast: bool = False,
    on_trust: bool = False,
    policy: Policy | None = None,
) -> RenderableType:
    """The verdict, the reason for it, the rules one by one, and the events that are kept.

    `reservation` is the one that holds the number, if it is known. A `forecast` is of a time that
    is still to come; `on_trust` is a number whose pool is known to require no feed; `policy` is the
    number's, if it is known.
    """
    colour = COLOURS.get(number.verdict.name, "white")
    name = f"{number.verdict.name} (forecast)" if forecast else number.verdict.name
    parts: list[RenderableType] = [
        Text.assemble((format_number(number.number), "bold"), "  ", (name, f"bold {colour}")),
        *map(Text, [_FORECAST.format(time_text(asked_at))] if forecast else []),
        *map(Text, _because(number, asked_at, reservation, on_trust, policy)),
    ]
    if number.verdict != Verdict.UNTRACKED:
        parts += ["", *map(Text, _since(number, asked_at, on_trust))]
    if number.rule_results:
        parts += ["", _rules(number.rule_results)]
    if number.recent:
        parts += ["", *map(Text, _events(number.recent, number.events_total))]
    return Group(*parts)


_FORECAST = "No fact but a forecast for {}, if it stays silent and is listened to until then."
_SAID: dict[Verdict, str] = {
    Verdict.AGING: "Not yet fit to be handed out: quiet, but not long enough in quarantine.",
    Verdict.HELD: "Not to be handed out: an operator holds it.",
    Verdict.ASSIGNED: "Handed out to a new owner.",
    Verdict.RETIRED: "Retired: it is not handed out again.",
    Verdict.UNTRACKED: "Not in quarantine, or not at that time: nothing is known of it.",
}


def _because(
    number: Number,
    asked_at: datetime,
    reservation: Reservation | None,
    on_trust: bool,
    policy: Policy | None,
) -> Iterator[str]:
    """Why the verdict is what it is, and when it will be another."""
    match number.verdict:
        case Verdict.CLEAN if number.overridden:
            yield f"Fit to be handed out: an operator said so on {time_text(number.clean_at)}."
        case Verdict.CLEAN:
            yield f"Fit to be handed out, since {_when(number.clean_at, asked_at)}."
        case Verdict.NOISY:
            yield from _noise(number.rule_results)
        case Verdict.UNOBSERVED:
            yield (
                "Not fit to be handed out: silent, but too little of that time was listened to"
                f" ({number.coverage:.1%}). It is clean once enough of the time was."
            )
        case Verdict.RESERVED if reservation is not None:
            yield (
                f"Reserved for {reservation.actor or 'an allocator'} until"
                f" {_when(reservation.expires_at, asked_at)}: reservation {reservation.id}."
            )
        case Verdict.RESERVED:
            yield f"Reserved for an allocator: {number.reservation or 'reservation not known'}."
        case verdict:
            yield _SAID[verdict]
    promised = clean_from(number)
    if number.verdict in (Verdict.NOISY, Verdict.AGING, Verdict.UNOBSERVED) and promised:
        yield f"If it stays silent it is clean from {_when(promised, asked_at)}."
        if not on_trust:
            yield "That counts on being listened to all the time until then."
        yield from _why_then(number, promised, policy)
    if number.overdue:
        yield "Overdue: it is past the longest quarantine of its policy, so somebody should decide."


def _why_then(number: Number, promised: datetime, policy: Policy | None) -> Iterator[str]:
    """What is over at the time of the promise: that of a noisy number depends on most."""
    if number.clean_at is not None and promised > number.clean_at:
        yield (
            f"Noise and age end on {time_text(number.clean_at)}; the rest is time that must have"
            " been listened to."
        )
    if number.verdict != Verdict.NOISY:
        return
    windows = sorted({result.window for result in number.rule_results if result.broken})
    over = [
        f"enough of what was counted is older than the {span_text(window)} of the broken rule"
        for window in windows
    ]
    if policy is not None and policy.quiet_period:
        quiet = span_text(policy.quiet_period)
        over.append(f"the policy's quiet period of {quiet} after the last trouble is over")
    if policy is not None and number.quarantined_at is not None:
        oldest = number.quarantined_at + policy.minimum_age
        if oldest == number.clean_at:
            over.append(f"its minimum age of {span_text(policy.minimum_age)} is reached")
    if over:
        yield f"By then {', and '.join(over)}."


def _noise(results: Sequence[RuleResult]) -> Iterator[str]:
    """The broken rules, each with what was counted."""
    broken = [result for result in results if result.broken]
    for result in broken:
        window = span_text(result.window)
        if result.value > result.limit:
            what = rule_text(result.measure, result.kinds, result.value)
            allowed = f"at most {result.limit} are" if result.limit else "none is"
            yield (
                f"Not fit to be handed out: {result.value} {what} in {window}, and {allowed}"
                " allowed."
            )
        else:
            what = rule_text(result.measure, result.kinds)
            yield (
                "Not fit to be handed out: more events came than are kept, so it cannot be shown"
                f" that there were at most {result.limit} {what} in {window}."
            )
    if not broken:
        yield "Not fit to be handed out: the quiet period after the last trouble is not over."


def _since(number: Number, asked_at: datetime, on_trust: bool) -> Iterator[str]:
    """How long it has been in quarantine, and under which rules."""
    reason = number.reason.name.lower().replace("_", " ") if number.reason else "not said"
    yield f"In quarantine since {_when(number.quarantined_at, asked_at)}; reason: {reason}."
    if number.observed_since is not None and number.observed_since > asked_at:
        # Kept in whole hours after quarantined_at, rounded up.
        yield f"Its events are known only from {_when(number.observed_since, asked_at)} on."
    else:
        yield f"Its events are known since {_when(number.observed_since, asked_at)}."
    yield f"Pool {number.pool}, policy {number.policy}; coverage {number.coverage:.1%}."
    if on_trust:
        yield f"S{ON_TRUST[1:]}."
    if number.queue_position:
        yield f"Place in the queue: {number.queue_position:,}."


def _rules(results: Sequence[RuleResult]) -> Table:
    table = Table("", "rule", "in the last", "counted", "at most", box=box.SIMPLE_HEAD)
    for column in table.columns[3:]:
        column.justify = "right"
    for result in results:
        mark, style = ("broken", "red") if result.broken else ("kept", "green")
        counted = f"{result.value} or more" if result.saturated else str(result.value)
        table.add_row(
            Text(mark, style),
            rule_text(result.measure, result.kinds),
            span_text(result.window),
            counted,
            str(result.limit),
        )
    return table


def _events(recent: Sequence[RecentEvent], total: int) -> Iterator[str]:
    """The events that are kept: by kind, then by caller, the busiest first."""
    kinds: dict[EventKind, int] = defaultdict(int)
    callers: dict[int, list[RecentEvent]] = defaultdict(list)
    for event in recent:
        kinds[event.kind] += 1
        callers[event.caller_tag].append(event)
    counts = ", ".join(count_text(kind, count) for kind, count in sorted(kinds.items()))
    robots = sum(event.spray for event in recent)
    if total > len(recent):
        yield f"Events since its quarantine began: {total:,}, with those that were sent again."
    kept = "The newest event that is kept" if len(recent) == 1 else f"Kept are {len(recent)} events"
    if robots:
        kept += f", {robots} of them from robots, which do not count"
    yield f"{kept}: {counts}, from {_callers(callers)}."
    for tag, events in sorted(callers.items(), key=lambda item: (-len(item[1]), item[0])):
        who = f"caller {tag}" if tag else "withheld callers"
        if events[0].spray:
            who += " (robot)"
        times = "once" if len(events) == 1 else f"{len(events)} times"
        first, last = time_text(events[-1].occurred_at), time_text(events[0].occurred_at)
        yield f"  {who} {_tried(events)} {times}: " + (
            last if first == last else f"from {first} to {last}"
        )


def _callers(tags: Collection[int]) -> str:
    """How many callers there are; the withheld ones have the tag 0."""
    known = len(tags) - (0 in tags)
    told = [f"{known} caller{'' if known == 1 else 's'}"] if known else []
    return " and ".join([*told, *(["withheld callers"] if 0 in tags else [])])


def _tried(events: Sequence[RecentEvent]) -> str:
    kinds = {event.kind for event in events}
    if kinds <= {EventKind.CALL, EventKind.VIDEO, EventKind.VOICEMAIL}:
        return "called"
    if kinds <= {EventKind.SMS, EventKind.A2P_SMS, EventKind.MMS}:
        return "wrote"
    return "tried"


def _when(moment: datetime | None, asked_at: datetime) -> str:
    """The moment and how far away it is."""
    if moment is None:
        return "-"
    away = moment - asked_at
    distance = f"in {distance_text(away)}" if moment > asked_at else f"{distance_text(-away)} ago"
    return f"{time_text(moment)} ({distance})"
