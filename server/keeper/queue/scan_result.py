"""What the sweeps of the scanner find: of all pools, or of what is asked; how it is gathered.

All of it is sorted here, in the scanner's thread: who takes it over need not.

Memory: four bytes for each clean number, and of each pool a few times what a queue holds. Of a
question with a prefix, which fills no queue: a few times what a reservation takes at most.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ringfence.engine.verdict.sweep_sums import SweepSums
from ringfence.server.keeper.queue.candidate_queue import CleanNumbers
from ringfence.server.keeper.queue.candidate_run import (
    Numbers,
    Times,
    in_queue_order,
    places_by_number,
)

BRIEF_DEPTH = 16_384  # more than one reservation takes

_NONE = CleanNumbers()


@dataclass(frozen=True, slots=True)
class Scan:
    """One whole sweep; its arrays cannot be written. By index of the pool, as `SweepSums` says."""

    began_at: int
    """Unix seconds; forecast days count from here."""
    by_verdict: npt.NDArray[np.uint64]
    overdue: npt.NDArray[np.uint64]
    forecast: npt.NDArray[np.uint32]
    next_clean_at: npt.NDArray[np.uint32]
    clean: Mapping[int, CleanNumbers]
    """Of pools that have clean numbers."""

    def clean_numbers(self, pool: int) -> CleanNumbers:
        """The clean numbers of a pool, be there any or none."""
        return self.clean.get(pool, _NONE)


@dataclass(frozen=True, slots=True)
class PoolSweep:
    """What a sweep found of one pool, or of its numbers with one prefix."""

    began_at: int
    """Unix seconds."""
    clean: CleanNumbers
    """Those with a prefix in brief: clean_at of the oldest ones only."""
    next_clean_at: int
    """The least expected_at of those on their way: when the next one is clean if it stays silent
    and is listened to; 0 = none is."""

    @property
    def is_whole(self) -> bool:
        """Whether there were no other clean numbers than those it names."""
        return self.clean.count == self.clean.oldest.size


def finished_scan(began_at: int, sums: SweepSums, clean: Mapping[int, CleanNumbers]) -> Scan:
    """A sweep that is whole: nobody adds to it any more."""
    arrays = (sums.by_verdict, sums.overdue, sums.forecast, sums.next_clean_at)
    for array in arrays:
        array.flags.writeable = False
    return Scan(began_at, *arrays, clean)


class CleanGathering:
    """The clean numbers of one pool, from step to step of a sweep; in brief without clean_at of
    those that are not among the oldest.
    """

    def __init__(self, depth: int, *, brief: bool = False) -> None:
        self._depth = min(depth, BRIEF_DEPTH) if brief else depth
        self._brief = brief
        self._count = 0
        self._all_clean_at: list[Times] = []
        self._clean_at: list[Times] = []  # with _numbers: what may be among the oldest
        self._numbers: list[Numbers] = []
        self._held = 0
        self._bound: tuple[np.uint32, np.uint64] | None = None  # the last of them, as far as known

    def add(self, rows: npt.NDArray[np.void]) -> None:
        """Adds rows of CANDIDATE."""
        clean_at, numbers = rows["clean_at"].copy(), rows["number"].copy()
        self._count += clean_at.size
        if not self._brief:
            self._all_clean_at.append(clean_at)
        if self._bound is not None:
            last_at, last = self._bound
            near = (clean_at < last_at) | ((clean_at == last_at) & (numbers < last))
            clean_at, numbers = clean_at[near], numbers[near]
        self._clean_at.append(clean_at)
        self._numbers.append(numbers)
        self._held += numbers.size
        if self._held > 2 * self._depth:
            self._keep_oldest()

    def found(self) -> CleanNumbers:
        """All that was added."""
        self._keep_oldest()
        clean_at, numbers = self._clean_at[0], self._numbers[0]
        for array in (clean_at, numbers):
            array.flags.writeable = False
        if self._brief:
            return CleanNumbers(clean_at, clean_at, numbers, self._count - clean_at.size)
        every = np.concatenate(self._all_clean_at or [clean_at])
        every.sort()
        every.flags.writeable = False
        return CleanNumbers(every, clean_at, numbers, by_number=places_by_number(numbers))

    def _keep_oldest(self) -> None:
        clean_at = np.concatenate([np.empty(0, np.uint32), *self._clean_at])
        numbers = np.concatenate([np.empty(0, np.uint64), *self._numbers])
        if numbers.size > self._depth:  # most are too young: seen without sorting them
            near = clean_at <= np.partition(clean_at, self._depth - 1)[self._depth - 1]
            clean_at, numbers = clean_at[near], numbers[near]
        order = in_queue_order(clean_at, numbers)[: self._depth]
        self._clean_at, self._numbers = [clean_at[order]], [numbers[order]]
        self._held = order.size
        if order.size == self._depth:
            self._bound = clean_at[order[-1]], numbers[order[-1]]


class PoolGatherings:
    """The clean numbers of every pool or question, from step to step of a sweep."""

    def __init__(self, depth: int, *, brief: Container[int] = ()) -> None:
        """`brief` are the indexes of those that are gathered in brief."""
        self._depth = depth
        self._brief = brief
        self._pools: dict[int, CleanGathering] = {}

    def add(self, rows: npt.NDArray[np.void]) -> None:
        """Adds rows of CANDIDATE, of any pools."""
        if not rows.size:
            return
        pools = rows["pool"].copy()
        if pools[0] != pools[-1] or pools.min() != pools.max():
            order = np.argsort(pools, kind="stable")
            rows, pools = rows[order], pools[order]
        edges = [0, *(np.flatnonzero(pools[1:] != pools[:-1]) + 1).tolist(), rows.size]
        for begin, end in pairwise(edges):
            pool = int(pools[begin])
            if pool not in self._pools:
                self._pools[pool] = CleanGathering(self._depth, brief=pool in self._brief)
            self._pools[pool].add(rows[begin:end])

    def found(self) -> Iterator[tuple[int, CleanNumbers]]:
        """All that was added, with the index of the pool or question: one after the other, as each
        takes its time.
        """
        while self._pools:
            pool, gathering = self._pools.popitem()
            yield pool, gathering.found()
