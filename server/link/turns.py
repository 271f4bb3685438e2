"""Long reads in turns: a thread beside the event loop, in which each read does a slice at a time.

A slice is short: about 2 ms. The first slice of a call goes before the later ones of others, so
that a short read does not wait for long ones; long ones get their share all the same. Of these few
are under way at a time, for a stretch of slices each: would all go on side by side, they would end
side by side, and the loop would hand out large answers and have time for nobody else.

Thread safety: `take` is for the loop, which only appends to the queues; the thread only pops.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

FIRST_IN_A_ROW_MAX = 4
UNDER_WAY_MAX = 2  # while the loop sees to one, the thread has another
STRETCH_SLICES = 64  # some 100 ms, then it is another long read's turn
SWITCH_S = 0.0005
"""For `sys.setswitchinterval` where a loop has such a thread beside it: for so long, and not for
Python's 5 ms, the loop waits for a slice that holds the GIL."""

T = TypeVar("T")


class Turns:
    """One thread and those who wait for it. What waits is bounded by the calls: each has one slice
    in it at a time.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._first: deque[Callable[[], None]] = deque()
        self._later: deque[Callable[[], None]] = deque()
        self._first_in_a_row = 0
        self.under_way = asyncio.Semaphore(UNDER_WAY_MAX)

    @contextmanager
    def long_read(self) -> Iterator["LongRead"]:
        """For a call of many slices, which ends when the context does."""
        read = LongRead(self)
        try:
            yield read
        finally:
            read.pause()

    async def take(self, work: Callable[[], T], *, later: bool = False) -> T:
        """What `work` returns or raises, done in the thread; one that is cancelled is not begun.

        `later` says that the call has had a turn before.
        """
        answer: Future[T] = Future()

        def act() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(work())
                except BaseException as error:
                    answer.set_exception(error)

        (self._later if later else self._first).append(act)
        self._thread.submit(self._act)
        return await asyncio.wrap_future(answer)

    def _act(self) -> None:
        """The next slice: there is one, as this is called once for each."""
        if self._first and (self._first_in_a_row < FIRST_IN_A_ROW_MAX or not self._later):
            self._first_in_a_row += 1
            self._first.popleft()()
        else:
            self._first_in_a_row = 0
            self._later.popleft()()


class LongRead:
    """The slices of one call: the first goes at once, the later ones while it is under way."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._has_begun = False
        self._left = 0  # of its stretch; 0 = it is not under way

    async def take(self, work: Callable[[], T]) -> T:
        """As `Turns.take`; waits for a stretch of its own when the last one is used up."""
        if not self._has_begun:
            self._has_begun = True
            return await self._turns.take(work)
        if not self._left:
            await self._turns.under_way.acquire()
            self._left = STRETCH_SLICES
        try:
            return await self._turns.take(work, later=True)
        finally:
            if self._left == 1:
                self.pause()
            else:
                self._left -= 1

    def pause(self) -> None:
        """Lets those that wait come first."""
        if self._left:
            self._left = 0
            self._turns.under_way.release()
