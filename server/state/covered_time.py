"""A union of intervals of time: what the claims of a feed have covered."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

import numpy as np

Interval = tuple[int, int]
"""[begin, end) in unix seconds."""


class CoveredTime:
    """Disjoint intervals that do not touch, ascending. The order of additions does not matter.

    So their bounds ascend too, and are searched and kept as one array. A claim that extends the
    newest interval, as nearly all do, costs the same however many there are.
    """

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self.bounds = array("I")
        """Begin, end, begin, end, as a segment has them; not to be changed by others."""
        for begin, end in intervals:
            self.add(begin, end)

    def __len__(self) -> int:
        return len(self.bounds) // 2

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """All of them."""
        return tuple(zip(self.bounds[::2], self.bounds[1::2], strict=True))

    def newest_gaps(self, most: int) -> list[Interval]:
        """What lies between them: the newest so many, newest first."""
        inner = self.bounds[max(1, len(self.bounds) - 1 - 2 * most) : -1]
        return list(zip(inner[::2], inner[1::2], strict=True))[::-1]

    @property
    def end(self) -> int:
        """Where the last one ends; 0 = there is none."""
        return self.bounds[-1] if self.bounds else 0

    def add(self, begin: int, end: int) -> None:
        """Joins an interval; an empty one changes nothing."""
        if begin >= end:
            return
        first = bisect_left(self.bounds, begin) // 2  # those before end before it begins
        after = (bisect_right(self.bounds, end) + 1) // 2  # those from here on begin after it ends
        if first < after:
            begin = min(begin, self.bounds[2 * first])
            end = max(end, self.bounds[2 * after - 1])
        self.bounds[2 * first : 2 * after] = array("I", (begin, end))

    def forget(self, before: int) -> None:
        """Cuts off what lies before a moment."""
        del self.bounds[: bisect_right(self.bounds, before) // 2 * 2]
        if self.bounds and self.bounds[0] < before:
            self.bounds[0] = before

    def shorten(self, most: int, now: int) -> None:
        """Drops intervals until there are no more than `most`, those first that say least of the
        time before `now`: that fill the smallest share of the time since they began. Never the
        last one.

        The gaps beside a dropped one become one gap: time may count as uncovered that was covered,
        and never the other way round.
        """
        surplus = len(self) - most
        if surplus <= 0:
            return
        intervals = np.array(self.bounds, np.int64).reshape(-1, 2)
        begins, ends = intervals[:-1].T
        shares = (ends - begins) / np.maximum(1, now - begins)
        dropped = np.argpartition(shares, surplus - 1)[:surplus]
        kept = np.delete(intervals, dropped, axis=0)
        self.bounds = array("I", kept.astype(np.uintc).tobytes())
