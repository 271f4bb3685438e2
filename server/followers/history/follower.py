"""Follows the keeper's journal, writes it into the database, and tells the keeper how far it is.

Keeper and database may be away for as long as they like: the journal keeps what is not confirmed.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import grpc
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ringfence.engine.memory.one_time import OneTime
from ringfence.engine.settings.reading import read_pools
from ringfence.server.folder.installation import Installation
from ringfence.server.followers.history.database import HistoryError, history_url, open_writer, told
from ringfence.server.followers.history.inbox import Inbox
from ringfence.server.followers.history.schema import bring_up_to_date
from ringfence.server.followers.history.writer import HistoryWriter, PositionMoved
from ringfence.server.keeper.changes.journal_feed import OLDEST
from ringfence.server.link.keeper_link import CHANNEL_OPTIONS
from ringfence.server.link.keeper_service_pb2 import (
    DESCRIPTOR,
    ConfirmHistoryRequest,
    FollowJournalRequest,
)
from ringfence.server.link.routes import path

BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
CONFIRM_S = 10.0
OPTIONS = (*CHANNEL_OPTIONS, ("grpc.max_receive_message_length", -1))

_METHODS = DESCRIPTOR.services_by_name["KeeperService"].methods_by_name
_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


class Follower:
    """The database's end of the keeper's journal. Made on the loop that runs it."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._shared = bool(installation.config.history.url)
        self._engine: Engine = open_writer(
            history_url(installation.config.history, installation.data)
        )
        self._writer = HistoryWriter(self._engine, installation.folder_id)
        # Of its own: a process that ends does not wait for a database that does not answer.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history-writer")
        self._channel = grpc.aio.insecure_channel(installation.keeper_address, options=OPTIONS)
        self.trouble: str | None = "the history is being opened"
        """Why nothing is written, if it is not for the keeper's absence."""
        self._logged = ""

    async def run(self) -> None:
        """Never returns."""
        failures = 0
        while True:
            position = self._writer.progress.position
            failures += 1
            try:
                await self._follow()
            except grpc.aio.AioRpcError as error:
                failures = 0  # not the database's
                await self._understand(error)
            except PositionMoved as error:
                _log.warning("reading the position again: %s", error)
            except HistoryError as error:
                self._stumble(str(error))
            except SQLAlchemyError as error:
                self._stumble(f"the history database cannot be used: {told(error)}")
            if self._writer.progress.position > position:
                failures = 0
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])

    async def _follow(self) -> None:
        """Writes until something fails."""
        await self._in_thread(lambda: bring_up_to_date(self._engine))
        progress = await self._in_thread(lambda: self._writer.load_progress(shared=self._shared))
        request = FollowJournalRequest(after=progress.position, digest=progress.digest)
        follow: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(
            path(_METHODS["FollowJournal"])
        )
        async with Inbox(follow(request.SerializeToString())) as inbox:
            await inbox.accepted()
            self.trouble = None
            await self._confirm()
            while True:
                values = await inbox.take()
                self._check_order(values)
                await self._in_thread(lambda: self._writer.write(values))  # noqa: B023  # awaited
                self._recover()
                await self._confirm()

    async def _confirm(self) -> None:
        confirm: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            path(_METHODS["ConfirmHistory"])
        )
        request = ConfirmHistoryRequest(position=self._writer.progress.position)
        await confirm(request.SerializeToString(), timeout=CONFIRM_S)

    async def _understand(self, error: grpc.aio.AioRpcError) -> None:
        """What the keeper said, or that it is away, which the supervisor sees to."""
        oldest = dict(error.trailing_metadata() or ()).get(OLDEST)
        if error.code() == grpc.StatusCode.OUT_OF_RANGE and oldest is not None:
            await self._skip(int(oldest))
        elif error.code() == grpc.StatusCode.FAILED_PRECONDITION:
            self._stumble(
                "the history database is not of this journal, as when one of the two was restored"
                f" from a backup: {error.details()}; restore the database of the same time, or"
                " begin a new one: the old stays as it is"
            )
        elif error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            _log.warning("the keeper does not give its journal: %s", error.details())

    async def _skip(self, oldest: int) -> None:
        try:
            segment = self._installation.open_segment()
            pools = {
                index: pool.name
                for index, pool in enumerate(read_pools(segment))
                if pool is not None
            }
            now = OneTime(segment)()  # the keeper has said it: it has answered
            await self._in_thread(lambda: self._writer.skip(oldest, pools, now))
        except SQLAlchemyError as error:
            self._stumble(f"the history database cannot be used: {told(error)}")
        else:
            _log.error(
                "the history has a hole, as after the loss of its database: what the journal held"
                " before position %d is gone, and the changes in it cannot be told any more",
                oldest,
            )

    def _check_order(self, values: list[tuple[int, bytes]]) -> None:
        expected = self._writer.progress.position
        for position, _ in values:
            expected += 1
            if position != expected:
                raise HistoryError(
                    f"the keeper left a value out: position={position}, expected={expected}"
                )

    def _stumble(self, trouble: str) -> None:
        if trouble != self._logged:
            _log.error("history is not written: %s", trouble)
        self.trouble = self._logged = trouble

    def _recover(self) -> None:
        if self._logged:
            _log.info("history is written again: position=%d", self._writer.progress.position)
            self._logged = ""

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
