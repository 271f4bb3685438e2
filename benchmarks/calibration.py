"""What the generated workload gives of the figures that its parameters are taken from.

    python benchmarks/calibration.py

All numbers come into quarantine on the first day, in one climate. Printed are, for some shapes of
the exposure of numbers to campaigns and with or without campaigns that sweep number after number,
the share of numbers without a background call in NCSU's 335 days (a quarter there); then, as the
workload is, the share of numbers that had a subscriber and got a message of an application in a
week (Princeton's is one week, at an age that is not known). The same seed gives the same figures.
"""

import argparse
import shlex
import sys
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ringfence.engine.words import DisconnectReason
from ringfence.simulation.traffic.events import FIRST_NUMBER, START, Records, TrueClass
from ringfence.simulation.traffic.parameters import (
    CLIMATES,
    Campaigns,
    Climate,
    Departures,
    Traffic,
)
from ringfence.simulation.traffic.workload import Workload

DAY_S, WEEK_DAYS = 86_400, 7
DAYS = 335  # NCSU's
SHAPES = 0.12, 0.28, 0.5, 1.0
SWEEPS = 0.0, Campaigns().sweep_share
WEEKS_FROM_DAY = 0, 60, 180
BACKGROUND = [
    TrueClass.SPRAY_FRESH,
    TrueClass.SPRAY_REUSED,
    TrueClass.STORM,
    TrueClass.STUCK,
]


def workload_of(
    climate: Climate, campaigns: Campaigns, *, numbers: int, days: int, seed: int
) -> Workload:
    """One whose numbers are all there from the first second on."""
    at_once = Departures(entry_days=0.0)
    traffic = Traffic(climate, departures=at_once, campaigns=campaigns)
    return Workload(traffic, numbers=numbers, days=days, seed=seed)


def calls_of(workload: Workload) -> npt.NDArray[np.int64]:
    """Background calls to each number."""
    calls = np.zeros(workload.numbers.size, np.int64)
    for events in workload.chunks():
        called = events[np.isin(events["true_class"], BACKGROUND) & ~events["copy"]]
        calls += np.bincount(_places(called), minlength=calls.size)
    return calls


def written_to(workload: Workload) -> list[float]:
    """In each of the weeks, of the numbers that had a subscriber, those an application wrote to."""
    written = np.zeros((len(WEEKS_FROM_DAY), workload.numbers.size), np.bool_)
    for events in workload.chunks():
        messages = events[events["true_class"] == TrueClass.APPLICATION]
        day = (messages["occurred_at"].astype(np.int64) - START) // DAY_S
        for week, begins in enumerate(WEEKS_FROM_DAY):
            of_week = messages[(day >= begins) & (day < begins + WEEK_DAYS)]
            written[week, _places(of_week)] = True
    had_subscriber = workload.numbers["reason"] != DisconnectReason.NEVER_ASSIGNED
    return [float(week[had_subscriber].mean()) for week in written]


def _places(events: Records) -> npt.NDArray[np.int64]:
    places: npt.NDArray[np.int64] = (events["called"] - np.uint64(FIRST_NUMBER)).astype(np.int64)
    return places


def main() -> None:
    """Draws each workload and prints two Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--climate", choices=CLIMATES, default="ncsu")
    parser.add_argument("--numbers", type=int, default=50_000)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    climate, size = CLIMATES[asked.climate], {"numbers": asked.numbers, "seed": asked.seed}
    print(f"command   python {shlex.join(sys.argv)}\n")
    print("| exposure_shape | sweep_share | calls a number a day | without a call |")
    print("|---|---|---|---|")
    for shape in SHAPES:
        for sweeps in SWEEPS:
            campaigns = replace(Campaigns(), exposure_shape=shape, sweep_share=sweeps)
            calls = calls_of(workload_of(climate, campaigns, days=asked.days, **size))
            a_day = calls.mean() / asked.days
            print(f"| {shape} | {sweeps} | {a_day:.3f} | {np.mean(calls == 0):.1%} |", flush=True)
    print("\n| week from day | applications wrote to |\n|---|---|")
    days = max(WEEKS_FROM_DAY) + WEEK_DAYS
    weeks = written_to(workload_of(climate, Campaigns(), days=days, **size))
    for begins, share in zip(WEEKS_FROM_DAY, weeks, strict=True):
        print(f"| {begins} | {share:.1%} |")


if __name__ == "__main__":
    main()
