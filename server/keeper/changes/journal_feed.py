"""The keeper's journal as others follow it: what it holds behind a position, then each new value.

A value is given on when it is durable, and not before: what a journal that failed shows while it
is being opened again may still be lost.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import grpc

from ringfence.server.journal.journal import Journal, JournalDown, JournalTruncated
from ringfence.server.link.drain import Context
from ringfence.server.link.keeper_service_pb2 import FollowJournalRequest, FollowJournalResponse
from ringfence.server.link.routes import parse

PIECE_VALUES_MAX = 256
PIECE_BYTES_MAX = 8 << 20
LOOK_S = 0.5  # a journal that has healed wakes nobody
OLDEST = "ringfence-oldest"
"""Trailing metadata of OUT_OF_RANGE: the oldest position that the journal has."""


class Diverged(Exception):
    """The journal is not the one that the follower has followed."""


class JournalFeed:
    """A journal and its followers. Made on their loop, one a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: set[asyncio.Event] = set()
        self._loop = asyncio.get_running_loop()
        journal.after_commit(self._tell_loop)

    async def answer(self, data: bytes, context: Context) -> None:
        """FollowJournal, see keeper_service.proto.

        OUT_OF_RANGE: values behind `after` were let go; OLDEST says which is the oldest left.
        FAILED_PRECONDITION: the journal ends before `after`, or holds another value there.
        """
        request = parse(FollowJournalRequest, data)
        try:
            await self.check(request.after, request.digest)
            await context.send_initial_metadata(())  # the follower is welcome
            async with aclosing(self.follow(request.after)) as values:
                async for position, value in values:
                    response = FollowJournalResponse(position=position, value=value)
                    await context.write(response.SerializeToString())
        except JournalTruncated as error:
            oldest = ((OLDEST, str(self._journal.first)),)
            await context.abort(grpc.StatusCode.OUT_OF_RANGE, str(error), oldest)
        except Diverged as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))

    async def check(self, after: int, digest: bytes) -> None:
        """Raises Diverged unless a follower's position can be one of this journal.

        `digest` is the `value_digest` of the value at `after`; empty = the follower has none.
        """
        while True:
            upto = self._journal.last
            if self._journal.writable:
                with suppress(JournalDown):
                    await asyncio.to_thread(self._compare, after, digest, upto)
                    return
            await asyncio.sleep(LOOK_S)

    async def follow(self, after: int) -> AsyncGenerator[tuple[int, bytes], None]:
        """Positions and values behind a position, in order and without a hole, for ever.

        Raises JournalTruncated and JournalDamaged; waits for a journal that is down.
        """
        news = asyncio.Event()
        self._waiting.add(news)
        try:
            while True:
                news.clear()
                upto = self._journal.last
                if self._journal.writable:  # asked second: then what is up to there is durable
                    with suppress(JournalDown):  # it is just being opened again
                        while after < upto:
                            for value in await asyncio.to_thread(self._piece, after, upto):
                                yield value
                                after = value[0]
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await news.wait()
        finally:
            self._waiting.discard(news)

    def _compare(self, after: int, digest: bytes, upto: int) -> None:
        if after > upto:
            raise Diverged(f"the journal ends before: last={upto}, asked after position={after}")
        if not digest or after < self._journal.first:
            return
        try:
            ((_, value),) = self._piece(after - 1, after)
        except JournalTruncated:  # meanwhile: nothing can be compared then
            return
        if value_digest(value) != digest:
            raise Diverged(f"the journal holds another value: position={after}")

    def _piece(self, after: int, upto: int) -> list[tuple[int, bytes]]:
        """The next few values, at least one."""
        piece: list[tuple[int, bytes]] = []
        size = 0
        for position, value in self._journal.replay(after):
            piece.append((position, value))
            size += len(value)
            if position == upto or len(piece) == PIECE_VALUES_MAX or size >= PIECE_BYTES_MAX:
                break
        return piece

    def _tell_loop(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody follows any more
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for news in self._waiting:
            news.set()


def value_digest(value: bytes) -> bytes:
    """By which a follower knows a value again."""
    return hashlib.sha256(value).digest()
