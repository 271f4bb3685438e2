"""A union of intervals of time: what the claims of a feed have covered."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Interval = tuple[int, int]
"""[begin, end) in unix seconds."""


class CoveredTime:
    """Disjoint intervals that do not touch, ascending. The order of additions does not matter."""

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []
        for begin, end in intervals:
            self.add(begin, end)

    def __len__(self) -> int:
        return len(self._begins)

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """All of them."""
        return tuple(zip(self._begins, self._ends, strict=True))

    @property
    def gaps(self) -> tuple[Interval, ...]:
        """What lies between them."""
        return tuple(zip(self._ends[:-1], self._begins[1:], strict=True))

    @property
    def end(self) -> int:
        """Where the last one ends; 0 = there is none."""
        return self._ends[-1] if self._ends else 0

    def add(self, begin: int, end: int) -> None:
        """Joins an interval; an empty one changes nothing."""
        if begin >= end:
            return
        first = bisect_left(self._ends, begin)  # those before end before it begins
        after = bisect_right(self._begins, end)  # those from here on begin after it ends
        if first < after:
            begin = min(begin, self._begins[first])
            end = max(end, self._ends[after - 1])
        self._begins[first:after] = [begin]
        self._ends[first:after] = [end]

    def forget(self, before: int) -> None:
        """Cuts off what lies before a moment."""
        first = bisect_right(self._ends, before)
        del self._begins[:first], self._ends[:first]
        if self._begins and self._begins[0] < before:
            self._begins[0] = before

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
        shares = [(end - begin) / max(1, now - begin) for begin, end in self.intervals[:-1]]
        dropped = set(sorted(range(len(shares)), key=shares.__getitem__)[:surplus])
        kept = [each for place, each in enumerate(self.intervals) if place not in dropped]
        self._begins = [begin for begin, _ in kept]
        self._ends = [end for _, end in kept]
