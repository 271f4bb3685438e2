"""How far the default policy's figures hang on parameters that nobody has measured.

    python benchmarks/sensitivity.py --numbers 20000
    python benchmarks/sensitivity.py --numbers 20000 --days 1825

Each row changes one assumed parameter of the generated workload, in one climate, and plays the
calendar and the default policy on the same days, three years unless given; the last rows change how
robots dial. "missed" names the goals that do not hold: at least 95 % of background-only numbers
released by their minimum age, the share of released numbers with people, applications or collectors
within 30 days at most a quarter of the calendar's, and a median at most 10 days later. A longer
history makes the second harder, because loud numbers leave late. The last three columns are the
default policy's where no caller is taken for a robot. `--only agencies` plays the rows with that
word alone, and may be given more than once. The same seed gives the same figures.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace

from frontier_candidates import CALENDAR, shipped
from rich.console import Console
from rich.progress import Progress

from ringfence.simulation.generated import GeneratedHistory
from ringfence.simulation.outcome import Outcome, Share
from ringfence.simulation.play import play
from ringfence.simulation.traffic.parameters import CLIMATES, Traffic

IN_TIME, OF_CALENDAR, LATER_DAYS = 0.95, 0.25, 10.0

Parts = dict[str, dict[str, object]]
"""What changes, by the part of the traffic's parameters and the name in it."""

VARIED: list[Parts] = [
    {"climate": {"fresh_share": 0.5}},
    {"climate": {"fresh_share": 0.95}},
    {"campaigns": {"exposure_shape": 0.12}},
    {"campaigns": {"exposure_shape": 0.3}},
    {"campaigns": {"exposure_shape": 1.0}},
    {"campaigns": {"days_max": 2.0}},
    {"campaigns": {"days_max": 30.0}},
    {"campaigns": {"calls_mean": 40.0, "calls_p95": 120.0}},
    {"personal": {"bursts_per_day": 1 / 90}},
    {"personal": {"bursts_per_day": 1 / 10}},
    {"personal": {"half_life_days": 12.0}},
    {"personal": {"half_life_days": 50.0}},
    {"personal": {"slow_share": 0.05}},
    {"personal": {"slow_share": 0.40}},
    {"personal": {"redial_share": 0.20}},
    {"personal": {"redial_share": 0.60}},
    {"personal": {"withheld_share": 0.25}},
    {"schedules": {"code_gap_days": 60.0}},
    {"schedules": {"pruned_median_days": 365.0}},
    {"debts": {"agencies": 2}},
    {"debts": {"agencies": 30}},
    {"debts": {"agencies": 3_000}},
    {"debts": {"callers_min": 1, "callers_max": 2}},
    {"debts": {"callers_min": 20, "callers_max": 50}},
    {"delivery": {"late_share": 0.03}},
    {"delivery": {"copies_share": 0.10}},
    # Robots that are done within the hour; that keep one caller too; that come back to a number.
    {"campaigns": {"days_max": 0.05}},
    {"campaigns": {"days_max": 0.05}, "climate": {"fresh_share": 0.0}},
    {
        "campaigns": {"days_max": 0.05, "calls_mean": 400.0, "calls_p95": 1_200.0},
        "climate": {"fresh_share": 0.0},
    },
]


def varied(traffic: Traffic) -> Iterator[tuple[str, Traffic]]:
    """The workload as it is, then with one thing changed, or for robots a few."""
    yield "as it is", traffic
    for parts in VARIED:
        changed, said = traffic, []
        for part, change in parts.items():
            before = getattr(traffic, part)
            names = ", ".join(f"{name} = {value:.4g}" for name, value in change.items())
            was = ", ".join(f"{getattr(before, name):.4g}" for name in change)
            said.append(f"{part}: {names} (was {was})")
            changed = replace(changed, **{part: replace(before, **change)})
        yield "; ".join(said), changed


def holds(calendar: Outcome, default: Outcome) -> str:
    """Which of the goals are missed."""
    missed = []
    if _value(default.background_by_minimum_age) < IN_TIME:
        missed.append("background in time")
    if _value(default.residual) > OF_CALENDAR * _value(calendar.residual):
        missed.append("residual")
    assert calendar.median_days is not None
    if default.median_days is None or default.median_days - calendar.median_days > LATER_DAYS:
        missed.append("median")
    return ", ".join(missed) or "all hold"


def _value(share: Share | None) -> float:
    assert share is not None and share.share is not None
    return share.share


def main() -> None:
    """Plays every variation and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--climate", choices=CLIMATES, default="ncsu")
    parser.add_argument("--numbers", type=int, default=50_000)
    parser.add_argument("--days", type=int, default=1_095)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", metavar="TEXT", action="append", help="rows that have this in them"
    )
    asked = parser.parse_args()
    print(f"command   python {shlex.join(sys.argv)}\n")
    print(
        "| workload | residual, calendar | residual, default | of the calendar's | collectors,"
        " default | background in time | days later | missed | without robots: residual |"
        " collectors | background in time |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    rows = [
        row
        for row in varied(Traffic(CLIMATES[asked.climate]))
        if any(text in row[0] for text in asked.only or ("",))
    ]
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        for name, traffic in progress.track(rows, description="variations"):
            history = GeneratedHistory(
                traffic, numbers=asked.numbers, days=asked.days, seed=asked.seed
            )
            candidates = CALENDAR, shipped(asked.numbers), shipped(asked.numbers, robots=False)
            calendar, default, no_robots = play(history, candidates)
            later = (default.median_days or float("inf")) - (calendar.median_days or 0.0)
            cells = [
                name,
                f"{_value(calendar.residual):.1%}",
                f"{_value(default.residual):.1%}",
                f"{_value(default.residual) / _value(calendar.residual):.2f}",
                f"{_value(default.collector):.1%}",
                f"{_value(default.background_by_minimum_age):.1%}",
                f"{later:.1f}",
                holds(calendar, default),
                f"{_value(no_robots.residual):.1%}",
                f"{_value(no_robots.collector):.1%}",
                f"{_value(no_robots.background_by_minimum_age):.1%}",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
