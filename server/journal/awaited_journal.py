"""Waiting for a journal from an event loop.

The journal's thread collects what it has to tell and wakes the loop once a commit.
"""

import asyncio
from contextlib import suppress

from ringfence.server.journal.journal import Journal, JournalError

_Answer = tuple[asyncio.Future[int], int | JournalError]


class AwaitedJournal:
    """A journal whose appends are awaited. Made on the loop that awaits them, one a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._answers: list[_Answer] = []  # only the journal's thread touches it
        self._committed = asyncio.Event()
        journal.after_commit(self._tell_loop)

    async def append(self, value: bytes) -> int:
        """The position of a value, once it is durable.

        Raises JournalDown and JournalDamaged. After JournalDown, and when the caller is
        cancelled, the value may be in the journal or not.
        """
        return await self.submit(value)

    async def room(self, size: int) -> None:
        """Waits until a value of this size would be taken, however slow the disk is: the journal is
        down when it has failed. What is submitted before anything else is awaited finds the room.
        """
        while not self._journal.has_room(size):
            self._committed.clear()
            if not self._journal.has_room(size):  # no commit between the two
                await self._committed.wait()

    def submit(self, value: bytes) -> asyncio.Future[int]:
        """Appends at once; the future has the position as soon as the value is durable.

        Futures are done in the order of the calls. Raises JournalDown and JournalDamaged, and then
        the value was not written.
        """
        future: asyncio.Future[int] = self._loop.create_future()
        future.add_done_callback(_retrieve)
        self._journal.append(value, lambda outcome: self._answers.append((future, outcome)))
        return future

    def _tell_loop(self) -> None:
        answers, self._answers = self._answers, []
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._tell, answers)

    def _tell(self, answers: list[_Answer]) -> None:
        _tell(answers)
        self._committed.set()


def _retrieve(future: asyncio.Future[int]) -> None:
    """A failure is no news to asyncio's log when nobody waits for it any more."""
    if not future.cancelled():
        future.exception()


def _tell(answers: list[_Answer]) -> None:
    for future, outcome in answers:
        if future.done():  # cancelled
            continue
        if isinstance(outcome, JournalError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
