"""What decided commands change, and is not changed in the segment yet: numbers, and settings.

Commands become durable together and are written to the segment in their order. Until then a
command about one of these numbers waits, and so does every one that needs a verdict while settings
are about to change: each is decided against the segment alone.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ringfence.engine.table.header_rows import Headers, Numbers, numbers_of
from ringfence.engine.table.writer import TableWriter


class _Pending(NamedTuple):
    """The numbers of one command, ascending."""

    numbers: Numbers
    new: int  # how many of them have no record yet
    settings: bool


class PendingChanges:
    """Commands go in at one end when they are decided and leave at the other when applied."""

    def __init__(self, writer: TableWriter) -> None:
        self._writer = writer
        self._pending: deque[_Pending] = deque()

    @property
    def new(self) -> int:
        """How many records are to come."""
        return sum(pending.new for pending in self._pending)

    @property
    def settings(self) -> bool:
        """Whether settings are about to change."""
        return any(pending.settings for pending in self._pending)

    def add(self, headers: Headers, *, settings: bool) -> None:
        """A command was decided that leaves these headers, and settings or not."""
        numbers = np.unique(numbers_of(headers))
        new = len(self._writer.new_numbers(numbers))
        self._pending.append(_Pending(numbers, new, settings))

    def drop_oldest(self) -> None:
        """The oldest command is in the table now."""
        self._pending.popleft()

    def touched(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        """Which of these numbers a command is about to change."""
        touched = np.zeros(len(numbers), np.bool_)
        if not len(numbers):
            return touched
        least, greatest = numbers.min(), numbers.max()
        for pending in self._pending:
            if not len(pending.numbers):
                continue
            if pending.numbers[-1] < least or greatest < pending.numbers[0]:
                continue  # as most are, where ranges of numbers are changed one after the other
            at = np.searchsorted(pending.numbers, numbers).clip(max=len(pending.numbers) - 1)
            touched |= pending.numbers[at] == numbers
        return touched
