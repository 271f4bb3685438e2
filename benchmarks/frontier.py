"""Which policies release numbers soon, and what still comes to those that they release.

    python benchmarks/frontier.py --numbers 300000
    python benchmarks/frontier.py --numbers 20000 --picture benchmarks/frontier.svg

For each climate of the generated workload three years of traffic are made once and played, through
the engine with its clock moved along, against calendars, a plain count, and repeat callers with
and without the discount of spray callers: the README's table. `--picture` plays other limits,
windows and sizes of the rings (K) too and plots all of them (it needs matplotlib, which
`pip install -e '.[plot]'` brings). The same seed gives the same figures.

A point is the share of all numbers that were released in that time, and the share of the released
ones to which people, applications or collectors still came in the 30 days after. One year would
flatter: loud numbers leave late, and what comes to them then would not count. The definitions are
those of `ringfence simulate`; what the generated traffic leaves out, and which of its parameters
are assumptions, is said in src/ringfence/simulation/. sensitivity.py varies these.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from frontier_candidates import (
    CALENDAR,
    COUNT_LIMITS,
    LONG_CALENDAR,
    WEEK,
    WINDOWS_DAYS,
    count_only,
    repeat_callers,
    shipped,
    spray_for,
)
from rich.console import Console
from rich.progress import Progress, TaskID

from ringfence.engine.memory.segment import RING_ENTRIES
from ringfence.engine.settings.policy import NO_SPRAY
from ringfence.simulation.candidate import Calendar, Candidate
from ringfence.simulation.generated import GeneratedHistory
from ringfence.simulation.outcome import Outcome, Share
from ringfence.simulation.play import play
from ringfence.simulation.ring_sizes import bytes_a_number
from ringfence.simulation.traffic.parameters import CLIMATES, Traffic

COUNT_LIMIT = 3  # of the README's rows "count only"
OTHER_RING_ENTRIES = (12, 28, 124, 252)  # than the default's


def rows_of(numbers: int) -> list[Candidate | Calendar]:
    """The rows of the README's table."""
    week = spray_for(numbers, window_s=WEEK)
    return [
        CALENDAR,
        LONG_CALENDAR,
        count_only(COUNT_LIMIT, 12),
        count_only(COUNT_LIMIT, 12, spray_for(numbers)),
        count_only(COUNT_LIMIT, 12, week),
        repeat_callers(90, 12, week, events_limit=10),
        *(repeat_callers(150, entries, spray_for(numbers)) for entries in OTHER_RING_ENTRIES),
        repeat_callers(150, 60, NO_SPRAY),
        repeat_callers(150, 60, week),
        shipped(numbers),
    ]


def lines_of(numbers: int) -> list[Candidate | Calendar]:
    """What the picture shows beside these: other limits and windows."""
    spray = spray_for(numbers)
    lines: list[Candidate | Calendar] = [count_only(limit, 60) for limit in COUNT_LIMITS]
    for ring_entries in RING_ENTRIES:
        lines += [repeat_callers(days, ring_entries, spray) for days in WINDOWS_DAYS]
    week = spray_for(numbers, window_s=WEEK)
    lines += [repeat_callers(days, 60, week) for days in WINDOWS_DAYS]
    return lines


def percent(share: Share | None) -> str:
    return "-" if share is None or share.share is None else f"{100 * share.share:.1f} %"


def memory(candidate: Candidate | Calendar) -> str:
    """Bytes that a number takes in the table."""
    if isinstance(candidate, Calendar):
        return "-"
    return f"{bytes_a_number(candidate.ring_entries):,}"


def table(outcomes: Sequence[Outcome]) -> str:
    """Rows of a Markdown table."""
    lines = [
        "| policy | bytes a number | released | median days | personal | application | collector |"
        " residual | background in time | never assigned in time |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        days = "over half wait" if outcome.median_days is None else f"{outcome.median_days:.1f}"
        cells = [
            outcome.candidate.name,
            memory(outcome.candidate),
            percent(Share(outcome.released, outcome.numbers)),
            days,
            percent(outcome.personal),
            percent(outcome.application),
            percent(outcome.collector),
            percent(outcome.residual),
            percent(outcome.background_by_minimum_age),
            percent(outcome.never_assigned.by_minimum_age),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Plays all, prints all, and plots."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--climates", nargs="+", choices=CLIMATES, default=list(CLIMATES))
    parser.add_argument("--numbers", type=int, default=50_000)
    parser.add_argument("--days", type=int, default=1_095)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="an .svg or .png that is written")
    asked = parser.parse_args()
    candidates = rows_of(asked.numbers)
    if asked.picture is not None:
        candidates += lines_of(asked.numbers)
    print(f"command   python {shlex.join(sys.argv)}")
    by_climate: dict[str, list[Outcome]] = {}
    for name in asked.climates:
        history = GeneratedHistory(
            Traffic(CLIMATES[name]), numbers=asked.numbers, days=asked.days, seed=asked.seed
        )
        began = time.perf_counter()
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
            days = bar.add_task(name)

            def show(done: int, total: int, bar: Progress = bar, days: TaskID = days) -> None:
                bar.update(days, completed=done, total=total)

            by_climate[name] = play(history, candidates, progress=show)
        climate = CLIMATES[name]
        print(
            f"\n{name}: {climate.calls_per_number_day} background calls a number a day,"
            f" {asked.numbers:,} numbers, {asked.days} days, seed {asked.seed},"
            f" {len(candidates)} candidates in {time.perf_counter() - began:.0f} s\n"
        )
        print(table(by_climate[name]), flush=True)
    if asked.picture is not None:
        from frontier_picture import plot

        plot(by_climate, asked.picture)
        print(f"\n{asked.picture}")


if __name__ == "__main__":
    main()
