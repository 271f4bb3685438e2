"""Headers as all commands so far leave them, durable or not: the table, and what is to come.

Commands become durable together and are written to the table in their order. Until then a later
one is decided against what is kept here.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ringfence.engine.control import TableFull, TableWriter
from ringfence.engine.core import NUMBER_MASK
from ringfence.engine.segment import Segment
from ringfence.engine.words import Outcome, State

STATE_MASK = np.uint64(0xFF)  # of a header's control word; its upper half is `since`
SINCE_SHIFT = np.uint64(32)
TRACKED = (State.QUARANTINED, State.HELD, State.RESERVED)
ENDED = (State.ASSIGNED, State.RETIRED, State.FREE)

Numbers = npt.NDArray[np.uint64]
Outcomes = npt.NDArray[np.uint8]


class _Pending(NamedTuple):
    """The headers of one command, by number and each number once: the last row counts."""

    number: Numbers
    state: npt.NDArray[np.uint64]
    since: npt.NDArray[np.uint64]
    new: int  # how many of the numbers have no record yet


class HeaderOverlay:
    """Commands go in at one end when they are decided and leave at the other when applied."""

    def __init__(self, segment: Segment, writer: TableWriter) -> None:
        self._segment = segment
        self._writer = writer
        self._pending: deque[_Pending] = deque()

    def add(self, headers: npt.NDArray[np.void]) -> None:
        """A command was decided that leaves these headers."""
        latest = latest_rows(headers)
        number, control = latest["key"] & np.uint64(NUMBER_MASK), latest["control"]
        new = len(self._new_numbers(number))
        self._pending.append(_Pending(number, control & STATE_MASK, control >> SINCE_SHIFT, new))

    def drop_oldest(self) -> None:
        """The oldest command is in the table now."""
        self._pending.popleft()

    def judge(self, numbers: Numbers, quarantined_at: npt.NDArray[np.uint32]) -> Outcomes:
        """What would become of numbers that are quarantined now: an `Outcome` for each."""
        outcomes = self._writer.judge(numbers, quarantined_at)
        if not self._pending:
            return outcomes
        for pending in self._pending:  # the newest has the last word
            at = np.searchsorted(pending.number, numbers).clip(max=len(pending.number) - 1)
            there = (
                pending.number[at] == numbers
                if len(pending.number)
                else np.zeros(len(numbers), np.bool_)
            )
            state, since = pending.state[at[there]], pending.since[at[there]]
            outcomes[there] = np.where(
                np.isin(state, TRACKED),
                Outcome.ALREADY_QUARANTINED,
                np.where(quarantined_at[there] < since, Outcome.TOO_EARLY, Outcome.QUARANTINED),
            )
        first = np.zeros(len(numbers), np.bool_)
        first[np.unique(numbers, return_index=True)[1]] = True
        outcomes[(outcomes == Outcome.QUARANTINED) & ~first] = Outcome.ALREADY_QUARANTINED
        return outcomes

    def check_room(self, numbers: Numbers) -> None:
        """Raises TableFull unless all of these that have no record yet can get one."""
        capacity_numbers = self._segment.capacity_numbers
        taken = self._segment.numbers + sum(pending.new for pending in self._pending)
        wanted = len(self._new_numbers(numbers))
        if wanted > capacity_numbers - taken:
            raise TableFull(wanted, capacity_numbers - taken, capacity_numbers)

    def ended_at(self, number: int) -> int:
        """When a number last became ASSIGNED, RETIRED or FREE; 0 = never."""
        for pending in reversed(self._pending):
            at = np.flatnonzero(pending.number == number)
            if at.size:
                return int(pending.since[at[0]]) if pending.state[at[0]] in ENDED else 0
        return self._writer.ended_at(number)

    def _new_numbers(self, numbers: Numbers) -> Numbers:
        new = self._writer.new_numbers(numbers)
        for pending in self._pending:
            new = np.setdiff1d(new, pending.number, assume_unique=True)
        return new


def latest_rows(headers: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """The last row of each number, by number."""
    number = (headers["key"] & np.uint64(NUMBER_MASK))[::-1]
    latest: npt.NDArray[np.void] = headers[::-1][np.unique(number, return_index=True)[1]]
    return latest
