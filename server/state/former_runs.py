"""Runs of former lives: ascending by number, each number once, and never changed.

A run has its numbers in one array and the moments in another: who looks for a number in rows of
both would have all of them copied first.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FORMER_LIFE = np.dtype([("number", "<u8"), ("since", "<u4")])
"""A row: a number, and the unix seconds when it was last tracked."""
RUN_ROWS_MAX = 1 << 17
"""An image has a run in one message."""

Rows = npt.NDArray[np.void]
"""Of dtype FORMER_LIFE."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run."""

    number: npt.NDArray[np.uint64]
    since: npt.NDArray[np.uint32]
    newest: int
    """The greatest of `since`."""

    def __len__(self) -> int:
        return len(self.number)

    def last_tracked(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint32]:
        """When each was last tracked, unix seconds; 0 = it is not in the run."""
        at = np.searchsorted(self.number, numbers).clip(max=len(self) - 1)
        return np.where(self.number[at] == numbers, self.since[at], np.uint32(0))

    @property
    def rows(self) -> Rows:
        """It as an image has it."""
        rows = np.empty(len(self), FORMER_LIFE)
        rows["number"], rows["since"] = self.number, self.since
        return rows


def run_of(number: npt.NDArray[np.uint64], since: npt.NDArray[np.uint32]) -> Run:
    """These lives as a run, at least one; those of one number stand in the order of their ends."""
    order = np.argsort(number, kind="stable")  # a millisecond where most of them are in order
    number, since = number[order], since[order]
    last = np.ones(len(number), np.bool_)  # of one number
    last[:-1] = number[1:] != number[:-1]
    return Run(number[last], since[last], int(since.max()))


def with_run(runs: tuple[Run, ...], run: Run) -> tuple[Run, ...]:
    """The runs, and one that ended later; with the last one of them if that is short."""
    if not runs or len(runs[-1]) + len(run) > RUN_ROWS_MAX:
        return (*runs, run)
    last = runs[-1]
    both = run_of(
        np.concatenate([last.number, run.number]), np.concatenate([last.since, run.since])
    )
    return (*runs[:-1], both)


def runs_of(rows: Rows) -> Iterable[Run]:
    """Rows in any order as runs, those that ended first before others."""
    rows = rows[np.argsort(rows["since"], kind="stable")]
    for first in range(0, len(rows), RUN_ROWS_MAX):
        part = rows[first : first + RUN_ROWS_MAX]
        yield run_of(part["number"], part["since"])
