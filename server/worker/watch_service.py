"""WatchNumbers: a worker listens to the keeper once, and tells all its watchers.

Watchers are told at most once. When something may have been missed, since the keeper was replaced
or the watcher was slow, its stream ends and it has to list the numbers again.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import grpc

from ringfence.engine.settings.policy import check_name
from ringfence.server.link.change_feed import ChangeFeed
from ringfence.server.link.drain import Context, Drain
from ringfence.server.link.keeper_link import KeeperLink
from ringfence.server.link.keeper_service_pb2 import DESCRIPTOR
from ringfence.server.link.refusal import Refusal, bad_field, keeper_away
from ringfence.server.link.routes import Answer, parse
from ringfence.server.worker.published_settings import PublishedSettings
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import types_pb2

VERDICTS_MAX = 64  # each may be named more than once, within reason
WATCH_CHANGES = DESCRIPTOR.services_by_name["KeeperService"].methods_by_name["WatchChanges"]


class WatchService:
    """Watchers of one worker. Made on the loop that serves them."""

    def __init__(self, link: KeeperLink, settings: PublishedSettings, drain: Drain) -> None:
        self._link = link
        self._settings = settings
        self._drain = drain
        self._feed: ChangeFeed[pb.WatchNumbersResponse] = ChangeFeed()
        self._listening: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {"WatchNumbers": self.watch_numbers}

    async def watch_numbers(self, message: bytes, context: Context) -> None:
        """Every change of a verdict that the watcher asks for, from now on."""
        request = parse(pb.WatchNumbersRequest, message)
        verdicts = _verdicts(request)
        if request.pool:
            check_name("pool", request.pool)
            self._settings.refresh()
            self._settings.pool_index(request.pool)
        with self._feed.listen() as messages:
            if self._listening is None or self._listening.done():
                self._ready.clear()
                self._listening = asyncio.create_task(self._listen())
            await self._drain.wait(self._ready.wait())
            await context.write(b"")  # a message without changes: from now on
            while True:
                told = _filtered(await self._drain.wait(anext(messages)), request.pool, verdicts)
                if told is not None:
                    await context.write(told.SerializeToString())

    async def close(self) -> None:
        """Stops listening."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    async def _listen(self) -> None:
        """Listens to the keeper until it is gone, or nobody listens here any more."""
        try:
            with suppress(grpc.aio.AioRpcError, Refusal):  # the keeper is gone
                async for message in self._link.follow(WATCH_CHANGES, self._ready):
                    if not len(self._feed):
                        return
                    self._feed.tell(pb.WatchNumbersResponse.FromString(message))
        finally:
            self._ready.set()
            self._feed.cut(keeper_away("changes may have been missed; list the numbers again"))


def _filtered(
    message: pb.WatchNumbersResponse, pool: str, verdicts: set[int]
) -> pb.WatchNumbersResponse | None:
    """The changes that a watcher asks for; None = none of them."""
    if not pool and not verdicts:
        return message
    changes = [
        change
        for change in message.changes
        if (not pool or change.pool == pool)
        and (not verdicts or change.previous in verdicts or change.current in verdicts)
    ]
    return pb.WatchNumbersResponse(changes=changes) if changes else None


def _verdicts(request: pb.WatchNumbersRequest) -> set[int]:
    if len(request.verdicts) > VERDICTS_MAX:
        raise bad_field("verdicts", f"value={len(request.verdicts)}, bound={VERDICTS_MAX}")
    for index, verdict in enumerate(request.verdicts):
        if verdict not in types_pb2.Verdict.values()[1:]:
            raise bad_field(f"verdicts[{index}]", f"value={verdict}, bound=1 to 9")
    return set(request.verdicts)
