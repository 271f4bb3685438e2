"""Runs of hand-outs: ascending by number, each number once, and never changed.

A run lies in chunks, so that none of it is ever moved, given back or sent in one piece. What takes
long, merging two runs and letting go of the oldest hand-outs of one, is a generator: it does about
a millisecond's work, without the GIL where numpy does without it, and then yields.
"""

from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

HAND_OUT = np.dtype([("number", "<u8"), ("assigned_at", "<u4"), ("pool", "<u2"), ("policy", "<u2")])
"""A row: number, unix seconds, index of the pool, index of the policy that the pool had."""
CHUNK_ROWS = 1 << 15
DROPPED_CHUNKS = 32  # given back at a time

_HALF = 1 << 16
_NUMBER_MOST = (1 << 64) - 1

Rows = npt.NDArray[np.void]
"""Of dtype HAND_OUT."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run, in chunks of CHUNK_ROWS, the last one shorter."""

    chunks: list[Rows]
    firsts: list[int]
    """The first number of each chunk."""
    rows: int
    oldest_at: int
    """Unix seconds; of an empty run beyond all time."""

    def find(self, number: int) -> tuple[int, int, int] | None:
        """When a number was handed out, and the indexes of pool and policy; None = it is not in
        the run.
        """
        place = bisect_right(self.firsts, number) - 1
        if place < 0:
            return None
        chunk = self.chunks[place]
        at = int(np.searchsorted(chunk["number"], np.uint64(number)))
        if at == len(chunk) or int(chunk["number"][at]) != number:
            return None
        return int(chunk["assigned_at"][at]), int(chunk["pool"][at]), int(chunk["policy"][at])

    def drop_some(self) -> None:
        """Gives some of its memory back, when nobody has the run any more: all of it at once
        would take long.
        """
        del self.chunks[-DROPPED_CHUNKS:]


Work = Generator[None, None, Run]
"""Yields after each slice; returns a new run."""


class RunBuilder:
    """Rows, ascending by number, as they become a run."""

    def __init__(self) -> None:
        self._chunks: list[Rows] = []
        self._free = 0  # rows in the last chunk
        self.rows = 0
        """How many were put."""
        self._oldest_at = _NUMBER_MOST

    def put(self, rows: Rows) -> None:
        """Copies the next rows."""
        if len(rows):
            self._oldest_at = min(self._oldest_at, int(rows["assigned_at"].min()))
        self.rows += len(rows)
        while len(rows):
            if not self._free:
                self._chunks.append(np.empty(CHUNK_ROWS, HAND_OUT))
                self._free = CHUNK_ROWS
            taken = rows[: self._free]
            begin = CHUNK_ROWS - self._free
            self._chunks[-1][begin : begin + len(taken)] = taken
            self._free -= len(taken)
            rows = rows[len(taken) :]

    def run(self) -> Run:
        """All of them; nothing may be put any more."""
        if self._free:
            self._chunks[-1] = self._chunks[-1][: CHUNK_ROWS - self._free].copy()
        firsts = [int(chunk["number"][0]) for chunk in self._chunks]
        return Run(self._chunks, firsts, self.rows, self._oldest_at)


def run_of(rows: Iterable[Rows]) -> Run:
    """A run of such rows, in pieces of any size."""
    builder = RunBuilder()
    for piece in rows:
        builder.put(piece)
    return builder.run()


def merged(older: Run, newer: Run, *, after: int) -> Work:
    """Two runs as one: of a number that is in both the newer hand-out, and none of the moment
    `after` or before. Until it is done it takes as much memory as both once more.
    """
    builder = RunBuilder()
    for rows in _side_by_side(older, newer):
        order = np.argsort(rows["number"], kind="stable")  # of equal ones the newer is the last
        numbers = rows["number"][order]
        kept = rows["assigned_at"][order] > after
        kept[:-1] &= numbers[:-1] != numbers[1:]
        builder.put(rows[order[kept]])
        yield
    return builder.run()


def without_old(run: Run, *, after: int) -> Work:
    """The hand-outs of a run that are later than the moment `after`."""
    builder = RunBuilder()
    for rows in run.chunks:
        builder.put(rows[rows["assigned_at"] > after])
        yield
    return builder.run()


def newest(run: Run, most: int) -> Work:
    """The newest `most` hand-outs of a run that has more; of those of one second the lowest
    numbers.
    """
    upper, lower = np.zeros(_HALF, np.intp), np.zeros(_HALF, np.intp)
    for rows in run.chunks:  # of the moment that is looked for the upper half, then the lower
        upper += np.bincount(rows["assigned_at"] // _HALF, minlength=_HALF)
        yield
    half, wanted = _reached(upper, most)
    for rows in run.chunks:
        moments = rows["assigned_at"][rows["assigned_at"] // _HALF == half]
        lower += np.bincount(moments % _HALF, minlength=_HALF)
        yield
    rest, wanted = _reached(lower, wanted)
    oldest_at = half * _HALF + rest
    builder = RunBuilder()
    for rows in run.chunks:
        kept = rows["assigned_at"] > oldest_at
        oldest = np.flatnonzero(rows["assigned_at"] == oldest_at)[:wanted]
        kept[oldest] = True
        wanted -= len(oldest)
        builder.put(rows[kept])
        yield
    return builder.run()


def _reached(counts: npt.NDArray[np.intp], wanted: int) -> tuple[int, int]:
    """Where so many are reached, counted from the last place down, and how many are from there."""
    sums = counts[::-1].cumsum()
    steps = int(np.searchsorted(sums, wanted))
    place = len(counts) - 1 - steps
    return place, wanted - int(sums[steps] - counts[place])


def _side_by_side(older: Run, newer: Run) -> Iterator[Rows]:
    """The rows of two runs, those of the older before those of the newer, so many at a time that
    no later number is as low as one of them.
    """
    left = [_Left(older), _Left(newer)]
    while any(len(each.rows) for each in left):
        bound = min(int(each.rows["number"][-1]) for each in left if len(each.rows))
        yield np.concatenate([each.take(bound) for each in left])


class _Left:
    """What is left of a run: the rest of a chunk, and the chunks behind it."""

    def __init__(self, run: Run) -> None:
        self._chunks = iter(run.chunks)
        self.rows: Rows = np.empty(0, HAND_OUT)
        self._fill()

    def take(self, bound: int) -> Rows:
        """Those of the chunk that are not beyond a number."""
        count = int(np.searchsorted(self.rows["number"], np.uint64(bound), "right"))
        taken, self.rows = self.rows[:count], self.rows[count:]
        self._fill()
        return taken

    def _fill(self) -> None:
        if not len(self.rows):
            self.rows = next(self._chunks, self.rows)
