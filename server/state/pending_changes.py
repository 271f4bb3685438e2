"""What decided commands change, and is not changed in the segment yet: numbers, and settings.

Commands become durable together and are written to the segment in their order. Until then a
command about one of these numbers waits, and so does every one that needs a verdict while settings
are about to change: each is decided against the segment alone.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ringfence.engine.table.header_rows import Headers, Numbers, distinct, numbers_of
from ringfence.engine.table.writer import TableWriter

_NONE = np.empty(0, np.uint64)


class _Pending(NamedTuple):
    """The numbers of one command, ascending."""

    numbers: Numbers
    new: int  # how many of them are not in use yet
    settings: bool


class PendingChanges:
    """Commands go in at one end when they are decided and leave at the other when applied."""

    def __init__(self, writer: TableWriter) -> None:
        self._writer = writer
        self._pending: deque[_Pending] = deque()
        self._taken = _NONE

    @property
    def new(self) -> int:
        """How many numbers are to come."""
        return sum(pending.new for pending in self._pending)

    @property
    def settings(self) -> bool:
        """Whether settings are about to change."""
        return any(pending.settings for pending in self._pending)

    def add(self, headers: Headers, *, settings: bool, brings_new: bool = True) -> None:
        """A command was decided that leaves these headers, and settings or not; where it
        `brings_new` numbers, some may not be in the table, or FREE.
        """
        numbers = distinct(numbers_of(headers))
        new = len(self._writer.new_numbers(numbers)) if brings_new else 0
        self._pending.append(_Pending(numbers, new, settings))

    def came(self, new: int) -> None:
        """So many numbers of the oldest command have come into the table."""
        oldest = self._pending[0]
        self._pending[0] = oldest._replace(new=oldest.new - new)

    def drop_oldest(self) -> None:
        """The oldest command is in the table now."""
        self._pending.popleft()

    @contextmanager
    def taken(self, numbers: Numbers) -> Iterator[None]:
        """One command is being decided, in slices: as long as this lasts no other one decides about
        its numbers. There is no second such command meanwhile.
        """
        self._taken = distinct(numbers)
        try:
            yield
        finally:
            self._taken = _NONE

    def touched(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        """Which of these numbers a command is about to change."""
        touched = np.zeros(len(numbers), np.bool_)
        if not len(numbers):
            return touched
        least, greatest = numbers.min(), numbers.max()
        for changing in (self._taken, *(pending.numbers for pending in self._pending)):
            if not len(changing) or changing[-1] < least or greatest < changing[0]:
                continue  # as most are, where ranges of numbers are changed one after the other
            at = np.searchsorted(changing, numbers).clip(max=len(changing) - 1)
            touched |= changing[at] == numbers
        return touched

    def meets(self, ascending: Numbers) -> bool:
        """Whether a command that was decided is about to change one of these numbers, which are as
        `distinct` has them. Fewer are looked for among more, be these asked about or changing.
        """
        return any(_meet(pending.numbers, ascending) for pending in self._pending)

    def meets_taken(self, ascending: Numbers) -> bool:
        """Whether the command that is being decided is about to change one of them."""
        return _meet(self._taken, ascending)


def _meet(some: Numbers, others: Numbers) -> bool:
    fewer, more = sorted((some, others), key=len)
    if not len(fewer) or fewer[-1] < more[0] or more[-1] < fewer[0]:
        return False
    at = np.searchsorted(more, fewer).clip(max=len(more) - 1)
    return bool((more[at] == fewer).any())
