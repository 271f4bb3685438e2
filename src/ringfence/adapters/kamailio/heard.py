"""Until when everything was heard of a switch that numbers its reports.

The script numbers its reports 1, 2, 3 ... from its start on. Asked at `at` for its newest number,
the switch answers with a *mark*: when all reports up to it are here, everything was heard until
`at`. What does not come within some seconds is lost, and so is the time since the last such moment.
A switch that was started anew begins to count again, and what it had not handed on is gone.

Neither an interrupted connection nor an adapter that was away loses anything by itself: only
numbers that are missing do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

AHEAD_MAX = 65_536
"""Numbers that came before a smaller one; with more of them the smaller one is lost."""
MARKS_MAX = 64


class Mark(NamedTuple):
    """What the switch answered when it was asked for its newest number."""

    boot: int
    """When it was started, unix seconds: which count it is."""
    number: int
    """Its newest report, 0 = none yet."""
    at: float
    """When it was asked, unix seconds."""


class Heard:
    """Which reports are here. Not for several threads; all times are unix seconds.

    `lose` learns of [began, ended) in which something may have been missed; `margin_s` is how much
    earlier than its number a report may have happened. `mark` is where an earlier run left off.
    """

    def __init__(
        self,
        lose: Callable[[int, int], None],
        *,
        began_at: float,
        margin_s: float,
        patience_s: float,
        mark: Mark | None = None,
    ) -> None:
        self._lose = lose
        self._margin_s = margin_s
        self._patience_s = patience_s
        self._boot, self._whole, self._until = mark or Mark(0, 0, began_at)
        self._marked = self._whole  # of the last mark, which may be behind what is here
        self._ahead: set[int] = set()
        self._marks: deque[tuple[Mark, float]] = deque()
        """With the time at which it is given up."""
        self.missed = 0
        """Reports that never came, as far as the numbers tell."""

    @property
    def until(self) -> float:
        """Until when everything was heard, or is told to be lost."""
        return self._until

    @property
    def earliest(self) -> float:
        """A report that comes now did not happen before; 0 = nothing is known yet."""
        return self._until - self._margin_s if self._boot else 0.0

    @property
    def whole(self) -> Mark:
        """Up to which number everything was heard, and until when."""
        return Mark(self._boot, self._whole, self._until)

    def report(self, boot: int, number: int, now: float) -> None:
        """A report is here, read and handed on."""
        if boot != self._boot or number <= self._whole:
            return  # of a count before, or of one whose first mark is still to come
        self._ahead.add(number)
        while self._whole + 1 in self._ahead:
            self._whole += 1
            self._ahead.remove(self._whole)
        if len(self._ahead) > AHEAD_MAX:
            self._miss(min(self._ahead) - 1, now)
        self._settle()

    def mark(self, mark: Mark, now: float) -> None:
        """The switch said its newest number."""
        if mark.boot != self._boot or mark.number < self._marked:
            self._begin_again(mark, now)
            return
        self._marked = mark.number
        if len(self._marks) < MARKS_MAX:  # else those that wait must be settled first
            self._marks.append((mark, now + self._patience_s))
        self._settle()

    def look(self, now: float) -> None:
        """Gives up what has not come in time."""
        while self._marks and self._marks[0][1] < now:
            given_up, _ = self._marks.popleft()
            self._miss(given_up.number, now)
            self._until = max(self._until, given_up.at)
        self._settle()

    def _settle(self) -> None:
        while self._marks and self._marks[0][0].number <= self._whole:
            self._until = max(self._until, self._marks.popleft()[0].at)

    def _miss(self, number: int, now: float) -> None:
        """What is missing up to a number will not come."""
        here = sum(1 for each in self._ahead if each <= number)
        self.missed += number - self._whole - here
        self._ahead = {each for each in self._ahead if each > number}
        self._whole = number
        while self._whole + 1 in self._ahead:
            self._whole += 1
            self._ahead.remove(self._whole)
        self._lose_since(now)

    def _begin_again(self, mark: Mark, now: float) -> None:
        """Another count: what the former one still had is gone, however much that was."""
        self._lose_since(now)
        self._boot, self._whole, self._until = mark.boot, mark.number, mark.at
        self._marked = mark.number
        self._ahead.clear()
        self._marks.clear()

    def _lose_since(self, now: float) -> None:
        self._lose(int(self._until - self._margin_s), int(max(now, self._until)) + 1)
