"""What a sweep over the table gives: sums by pool, clean numbers, verdicts that have changed."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory.layout import POOLS_MAX

FORECAST_DAYS = 400
VERDICTS = 10  # columns of a count: a verdict is its own index

CANDIDATE = np.dtype(
    {
        "names": ["number", "clean_at", "pool"],
        "formats": ["<u8", "<u4", "<u2"],
        "offsets": [0, 8, 12],
        "itemsize": 16,
    }
)
"""A clean number: its clean_at in unix seconds and the index of its pool."""

CHANGE = np.dtype(
    {
        "names": ["key", "record", "previous", "current"],
        "formats": ["<u8", "<u4", "u1", "u1"],
        "offsets": [0, 8, 12, 13],
        "itemsize": 16,
    }
)
"""A record whose verdict is another than was seen: its key as in `record.h` (number and pool),
which record of the table it is, the verdict seen (0 = none yet), the verdict now. One that is FREE
is UNTRACKED."""


@dataclass(frozen=True, slots=True)
class SweepSums:
    """Sums over the numbers that steps of a sweep have looked at, by index of the pool."""

    by_verdict: npt.NDArray[np.uint64] = field(
        default_factory=lambda: np.zeros((POOLS_MAX, VERDICTS), np.uint64)
    )
    """(POOLS_MAX, 10): column v holds the numbers whose verdict is v."""
    overdue: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(POOLS_MAX, np.uint64))
    """(POOLS_MAX,)"""
    forecast: npt.NDArray[np.uint32] = field(
        default_factory=lambda: np.zeros((POOLS_MAX, FORECAST_DAYS), np.uint32)
    )
    """(POOLS_MAX, 400): column d holds the AGING, NOISY and UNOBSERVED numbers with
    now + d * 24 h < expected_at <= now + (d + 1) * 24 h."""
    next_clean_at: npt.NDArray[np.uint32] = field(
        default_factory=lambda: np.zeros(POOLS_MAX, np.uint32)
    )
    """(POOLS_MAX,): the least of their expected_at; 0 = none."""


@dataclass(frozen=True, slots=True)
class ScanStep:
    """What one step of a sweep found."""

    end: int
    """The record to go on from."""
    clean: npt.NDArray[np.void]
    """Rows of CANDIDATE, in the order of the table."""
    changes: npt.NDArray[np.void] = field(default_factory=lambda: np.empty(0, CHANGE))
    """Rows of CHANGE, in the order of the table."""
