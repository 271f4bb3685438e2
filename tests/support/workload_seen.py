"""Workloads to look at, and what of a count follows from its distribution.

A bound is five standard deviations, of the distribution that was drawn from or of the per-number
counts that were seen; the seed is fixed, so a failure is a change and not chance.
"""

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ringfence.simulation.traffic.events import (
    FIRST_NUMBER,
    Records,
    TrueClass,
)
from ringfence.simulation.traffic.parameters import CLIMATES, Departures, Traffic
from ringfence.simulation.traffic.workload import Workload

SEED = 20_260_101
SIGMAS = 5.0
NUMBERS, DAYS = 50_000, 84  # whole weeks: then the hours of the day cancel out
AT_ONCE = Departures(entry_days=0.0)

Counts = npt.NDArray[np.int64]


def make_workload(
    climate: str = "ncsu", *, seed: int = SEED, numbers: int = 2_000, days: int = 21
) -> Workload:
    """A workload whose numbers all come into quarantine at START."""
    print(f"seed {seed}")
    traffic = Traffic(CLIMATES[climate], departures=AT_ONCE)
    return Workload(traffic, numbers=numbers, days=days, seed=seed)


def all_events(workload: Workload) -> Records:
    return np.concatenate(list(workload.chunks()))


def originals(events: Records, *classes: TrueClass) -> Records:
    """The events of some classes without copies."""
    return events[~events["copy"] & np.isin(events["true_class"], classes)]


def per_number(events: Records, numbers: int = NUMBERS) -> Counts:
    return np.bincount((events["called"] - np.uint64(FIRST_NUMBER)).astype(int), minlength=numbers)


def assert_mean(seen: npt.NDArray[np.float64], expected: float | npt.NDArray[np.float64]) -> None:
    """The sum of independent counts is the expected one, by the variance that they show."""
    apart = seen - expected
    assert abs(apart.sum()) <= SIGMAS * math.sqrt(np.square(apart).sum()), (
        f"seen={seen.sum()}, expected={np.sum(expected + 0 * seen)}"
    )


def assert_share(seen: int | np.integer[Any], of: int, share: float) -> None:
    """A binomial count."""
    assert abs(seen - of * share) <= SIGMAS * math.sqrt(of * share * (1 - share)), (seen, of, share)


@cache
def ncsu_weeks() -> tuple[Workload, Records]:
    """Twelve weeks of the NCSU climate, all numbers there from the start."""
    workload = make_workload(numbers=NUMBERS, days=DAYS)
    return workload, all_events(workload)
