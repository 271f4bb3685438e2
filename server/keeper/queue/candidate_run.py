"""Candidates in the order of the queue, in arrays: they can be taken out, but none can come in."""

from typing import Self

import numpy as np
import numpy.typing as npt

from ringfence.engine.prefix import Prefix

Numbers = npt.NDArray[np.uint64]
Times = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int32]


def in_queue_order(clean_at: Times, numbers: Numbers) -> npt.NDArray[np.intp]:
    """The order by clean_at, oldest first, equal ones by number."""
    return np.lexsort((numbers, clean_at))


def places_by_number(numbers: Numbers) -> Places:
    """The places of numbers, the least number's first."""
    return np.argsort(numbers).astype(np.int32)


def last_of_each(numbers: Numbers) -> npt.NDArray[np.intp]:
    """Where each number stands for the last time."""
    if not numbers.size:
        return np.empty(0, np.intp)
    numbers = np.ascontiguousarray(numbers)
    order = np.argsort(numbers)  # equal ones in any order: three times as fast as a stable one
    ascending = numbers[order]
    first = np.flatnonzero(ascending[1:] != ascending[:-1]) + 1
    return np.maximum.reduceat(order, np.concatenate([[0], first]))


def places_upto(clean_at: Times, numbers: Numbers, place: tuple[int, int]) -> int:
    """How many candidates in the order of the queue are not behind a clean_at and number."""
    begin = int(clean_at.searchsorted(np.uint32(place[0]), "left"))
    end = int(clean_at.searchsorted(np.uint32(place[0]), "right"))
    return begin + int(numbers[begin:end].searchsorted(np.uint64(place[1]), "right"))


class CandidateRun:
    """Distinct numbers with their clean_at, in the order of the queue."""

    def __init__(
        self,
        clean_at: Times | None = None,
        numbers: Numbers | None = None,
        by_number: Places | None = None,
    ) -> None:
        """Of candidates in the order of the queue; `by_number` are their places in the order of
        their numbers, where somebody has had the time to find it.
        """
        self._clean_at = np.empty(0, np.uint32) if clean_at is None else clean_at
        self._numbers = np.empty(0, np.uint64) if numbers is None else numbers
        self._there = np.ones(self._numbers.size, np.bool_)
        self._count = self._numbers.size
        self._by_number = places_by_number(self._numbers) if by_number is None else by_number
        self._sorted_numbers = self._numbers[self._by_number]

    @classmethod
    def sorted_from(cls, clean_at: Times, numbers: Numbers) -> Self:
        """Of numbers in any order."""
        order = in_queue_order(clean_at, numbers)
        return cls(clean_at[order], numbers[order])

    def __len__(self) -> int:
        return self._count

    @property
    def last(self) -> tuple[int, int]:
        """clean_at and number of the last place, be its number there or not."""
        return int(self._clean_at[-1]), int(self._numbers[-1])

    def oldest(
        self, count: int, prefix: str = "", after: tuple[int, int] = (0, 0)
    ) -> tuple[Times, Numbers]:
        """Up to `count` of those that are there, behind a place."""
        begin = self._places_upto(*after) if after != (0, 0) else 0
        wanted = self._there[begin:]
        if prefix:
            wanted = wanted & Prefix(prefix).matches(self._numbers[begin:])
        places = np.flatnonzero(wanted)[:count] + begin
        return self._clean_at[places], self._numbers[places]

    def has(self, clean_at: int, number: int) -> bool:
        """Whether this candidate is there."""
        place = self._places_upto(clean_at, number) - 1
        return (
            place >= 0
            and bool(self._there[place])
            and self._numbers[place] == number
            and self._clean_at[place] == clean_at
        )

    def before(self, clean_at: int, number: int) -> int:
        """How many are there that come before this candidate."""
        return int(np.count_nonzero(self._there[: self._places_upto(clean_at, number - 1)]))

    def take_out(self, numbers: Numbers) -> None:
        """Takes out those of these numbers that are there."""
        if not self._count:
            return
        at = self._sorted_numbers.searchsorted(numbers).clip(max=self._numbers.size - 1)
        self._there[self._by_number[at[self._sorted_numbers[at] == numbers]]] = False
        self._count = int(np.count_nonzero(self._there))

    def joined(self, other: "CandidateRun") -> "CandidateRun":
        """Those that are there, of both; no number is in both."""
        if not len(other):
            return self
        return CandidateRun.sorted_from(
            np.concatenate([self._clean_at[self._there], other._clean_at[other._there]]),
            np.concatenate([self._numbers[self._there], other._numbers[other._there]]),
        )

    def _places_upto(self, clean_at: int, number: int) -> int:
        return places_upto(self._clean_at, self._numbers, (clean_at, number))
