"""Long reads in turns: a thread beside the event loop, in which each read does a slice at a time.

A slice is short: about 2 ms. The first slice of a call goes before the later ones of others, so
that a short read does not wait for long ones; long ones get their share all the same.

Thread safety: `take` is for the loop, which only appends to the queues; the thread only pops.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

FIRST_IN_A_ROW_MAX = 4
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
