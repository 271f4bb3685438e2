"""The outcomes of a simulation as tables for people, and as JSON for programs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from ringfence.cli.output import terminal
from ringfence.engine.settings.policy import DAY_S, Spray
from ringfence.server.config.duration import format_duration
from ringfence.simulation.candidate import Candidate
from ringfence.simulation.history import History
from ringfence.simulation.outcome import Outcome, Share, last_check
from ringfence.simulation.ring_sizes import ENOUGH, RingSize, recommended

_BY_KIND = (
    "This history does not say who called, so shares are by kind: PERSONAL is any call or message"
    " of a person or a robot, APPLICATION any A2P message."
)
_NOBODY_LATER = (
    "-: this history ends before anybody can say, 30 days after a release, what still came to the"
    " number. It has to be longer than the minimum age and 30 days."
)
_ROOMY = 100
_FIGURES = (
    *("POLICY", "RELEASED", "MEDIAN DAYS"),
    *("PERSONAL", "APPLICATION", "COLLECTOR", "RESIDUAL", "BACKGROUND IN TIME"),
)
_YARDSTICK = ("POLICY", "NEVER ASSIGNED, IN TIME", "NOISY AT MINIMUM AGE")
_RING_SIZES = ("RING ENTRIES", "BYTES A NUMBER", "NOT FULL")
_HEADINGS = {*_FIGURES, *_YARDSTICK, *_RING_SIZES}
_OF_AN_ENGINE = ("policy", "ring_entries", "spray_numbers", "spray_window")


@dataclass(frozen=True)
class Source:
    """Where a history comes from."""

    text: str
    fields: Mapping[str, object]
    """As JSON says it."""
    robots: int | None = None
    """How many callers a server knew for robots; None = the spray settings decide who is one."""
    ring_sizes: Sequence[RingSize] = ()
    """For the traffic of a server; none for other histories."""


def print_outcomes(outcomes: Sequence[Outcome], history: History, source: Source) -> None:
    """Prints what was played, the figures, the yardstick and the months."""
    console = terminal()
    for line in _played(outcomes, history, source):
        console.print(line, markup=False, soft_wrap=not console.is_terminal)
    console.print()
    console.print(_figures(outcomes))
    if not all(outcome.residual.of for outcome in outcomes):
        console.print(f"\n{_NOBODY_LATER}")
    if not history.knows_classes:
        console.print(f"\n{_BY_KIND}")
    never = outcomes[0].never_assigned
    if never.numbers:
        console.print(
            f"\n{never.numbers:,} numbers were never assigned; to each came"
            f" {never.events_per_number_day or 0:.3f} events a day, all of it background"
        )
        console.print(_yardstick(outcomes))
    if source.ring_sizes:
        console.print("\nRings that are not full at the minimum age, at the rate of each number")
        console.print(_ring_sizes(source.ring_sizes))
        console.print(_recommendation(source.ring_sizes), soft_wrap=not console.is_terminal)
    console.print("\nDeclared clean, by 30-day months since the history begins")
    console.print(_months(outcomes))


def _played(outcomes: Sequence[Outcome], history: History, source: Source) -> Iterator[str]:
    days = (last_check(history) - history.begins_at) // DAY_S
    yield f"History: {source.text}; {outcomes[0].numbers:,} numbers, {days:,} days"
    candidate = outcomes[0].candidate
    if isinstance(candidate, Candidate):  # K and spray settings are the same for all
        robots = _robots(candidate.spray, source)
        yield f"Ring entries: {candidate.ring_entries}; {robots}"


def _robots(spray: Spray, source: Source) -> str:
    if source.robots is not None:
        return f"robots are those that the server knew: {source.robots:,}"
    if not spray.numbers:
        return "no caller becomes a robot"
    return f"a caller of {spray.numbers} numbers in {format_duration(spray.window_s)} is a robot"


def _figures(outcomes: Sequence[Outcome]) -> Table:
    table = _table(*_FIGURES)
    for outcome in outcomes:
        table.add_row(
            outcome.candidate.name,
            _percent(Share(outcome.released, outcome.numbers)),
            "-" if outcome.median_days is None else f"{outcome.median_days:.1f}",
            _percent(outcome.personal),
            _percent(outcome.application),
            _percent(outcome.collector),
            _percent(outcome.residual),
            _percent(outcome.background_by_minimum_age),
        )
    return table


def _yardstick(outcomes: Sequence[Outcome]) -> Table:
    table = _table(*_YARDSTICK)
    for outcome in outcomes:
        never = outcome.never_assigned
        table.add_row(
            outcome.candidate.name,
            _percent(never.by_minimum_age),
            _percent(never.noisy_at_minimum_age),
        )
    return table


def _ring_sizes(sizes: Sequence[RingSize]) -> Table:
    table = _table(*_RING_SIZES)
    for size in sizes:
        cells = str(size.ring_entries), f"{size.bytes_a_number:,}", _percent(size.enough)
        table.add_row(*cells)
    return table


def _recommendation(sizes: Sequence[RingSize]) -> str:
    best = recommended(sizes)
    if best is None:
        return "No recommendation yet: no number was observed for 30 days, or has had 12 events."
    enough = (best.enough.share or 0.0) >= ENOUGH
    why = f"the smallest that {ENOUGH:.0%} do not fill" if enough else "the largest there is"
    return f"Recommended for a new data folder: ring_entries = {best.ring_entries}, {why}."


def _months(outcomes: Sequence[Outcome]) -> Table:
    table = _table("MONTH", *(outcome.candidate.name for outcome in outcomes))
    counts = zip(*(outcome.released_per_month for outcome in outcomes), strict=True)
    for month, released in enumerate(counts, 1):
        table.add_row(str(month), *(f"{count:,}" for count in released))
    return table


def _table(*columns: str) -> Table:
    """The first column to the left, figures to the right."""
    narrow = terminal().width < _ROOMY
    table = Table(
        box=None, pad_edge=False, padding=(0, 1, 0, 0 if narrow else 1), header_style="bold"
    )
    for index, column in enumerate(columns):
        # A long name goes on in the next line: its end tells it from others. On a narrow terminal
        # only names may: rich would break the words of headings, and figures.
        whole = narrow and index > 0 and column in _HEADINGS
        table.add_column(
            column.replace(" ", "\n") if whole else column,
            justify="right" if index else "left",
            overflow="fold",
            no_wrap=whole,
        )
    return table


def _percent(share: Share | None) -> str:
    if share is None or share.share is None:
        return "-"
    return f"{share.share:.1%}"


def outcome_json(outcome: Outcome, history: History, source: Source) -> dict[str, object]:
    """The line of one candidate: which history, and every share with the counts behind it."""
    candidate, never = outcome.candidate, outcome.never_assigned
    engine: dict[str, object] = dict.fromkeys(_OF_AN_ENGINE)
    if isinstance(candidate, Candidate):
        spray = candidate.spray
        numbers = spray.numbers if source.robots is None else None
        window = f"{spray.window_s}s" if numbers else None
        values = (candidate.policy.name, candidate.ring_entries, numbers, window)
        engine = dict(zip(_OF_AN_ENGINE, values, strict=True))
    return {
        "candidate": candidate.name,
        "history": {**source.fields, **_ring_sizes_json(source.ring_sizes)},
        **engine,
        "minimum_age": f"{candidate.minimum_age_s}s",
        "true_classes": history.knows_classes,
        "numbers": outcome.numbers,
        "released": outcome.released,
        "released_per_month": list(outcome.released_per_month),
        "median_days": outcome.median_days,
        "personal": _counts(outcome.personal),
        "application": _counts(outcome.application),
        "collector": _counts(outcome.collector),
        "residual": _counts(outcome.residual),
        "background_by_minimum_age": _counts(outcome.background_by_minimum_age),
        "never_assigned": {
            "numbers": never.numbers,
            "events": never.events,
            "events_per_number_day": never.events_per_number_day,
            "by_minimum_age": _counts(never.by_minimum_age),
            "noisy_at_minimum_age": _counts(never.noisy_at_minimum_age),
        },
    }


def _ring_sizes_json(sizes: Sequence[RingSize]) -> dict[str, object]:
    if not sizes:
        return {}
    best = recommended(sizes)
    return {
        "ring_sizes": [
            {
                "ring_entries": size.ring_entries,
                "bytes_a_number": size.bytes_a_number,
                "not_full": _counts(size.enough),
            }
            for size in sizes
        ],
        "recommended_ring_entries": None if best is None else best.ring_entries,
    }


def _counts(share: Share | None) -> dict[str, object] | None:
    if share is None:
        return None
    return {"count": share.count, "of": share.of, "share": share.share}
