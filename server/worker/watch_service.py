"""WatchNumbers: a worker listens to the keeper once, and tells all its watchers.

What a watcher asks for is picked out once for all who ask the same, beside the loop. The next
changes are read when these were told: what waits meanwhile waits in the keeper's journal.

Watchers are told at most once. When something may have been missed, since the keeper was replaced
or the watcher was slow, its stream ends and it has to list the numbers again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

import grpc

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import check_name
from ringfence.server.link.drain import Context, Drain
from ringfence.server.link.keeper_link import KeeperLink
from ringfence.server.link.keeper_service_pb2 import DESCRIPTOR
from ringfence.server.link.refusal import Refusal, bad_field, keeper_away, over_quota
from ringfence.server.link.routes import Answer, parse
from ringfence.server.link.turns import Turns
from ringfence.server.worker.change_feed import ChangeFeed
from ringfence.server.worker.published_settings import PublishedSettings
from ringfence.server.worker.watched_changes import (
    ChangedVerdicts,
    WatchQuestion,
    changed_verdicts,
    message_for,
)
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import types_pb2

WATCHERS_MAX = 1_024
QUESTIONS_A_TURN = 16  # of as many changes as a message has: about 2 ms
VERDICTS_MAX = 64  # each may be named more than once, within reason
WATCH_CHANGES = DESCRIPTOR.services_by_name["KeeperService"].methods_by_name["WatchChanges"]


class WatchService:
    """Watchers of one worker. Made on the loop that serves them."""

    def __init__(
        self,
        segment: Segment,
        link: KeeperLink,
        settings: PublishedSettings,
        drain: Drain,
        turns: Turns,
    ) -> None:
        self._segment = segment
        self._link = link
        self._settings = settings
        self._drain = drain
        self._turns = turns
        self._feed: ChangeFeed[WatchQuestion] = ChangeFeed()
        self._listening: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {"WatchNumbers": self.watch_numbers}

    async def watch_numbers(self, message: bytes, context: Context) -> None:
        """Every change of a verdict that the watcher asks for, from now on."""
        request = parse(pb.WatchNumbersRequest, message)
        question = WatchQuestion(request.pool, _verdicts(request))
        if request.pool:
            check_name("pool", request.pool)
            self._settings.refresh()
            self._settings.pool_index(request.pool)
        if len(self._feed) >= WATCHERS_MAX:
            raise over_quota("watchers", f"value={len(self._feed) + 1}, bound={WATCHERS_MAX}")
        # What the segment has is old, though it may be on its way to the watchers there are.
        with self._feed.listen(question, after=self._segment.applied) as messages:
            if self._listening is None or self._listening.done():
                self._ready.clear()
                self._listening = asyncio.create_task(self._listen())
            await self._drain.wait(self._ready.wait())
            await context.write(b"")  # a message without changes: from now on
            while True:
                await context.write(await self._drain.wait(anext(messages)))

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
                async for data in self._link.follow(WATCH_CHANGES, self._ready):
                    if not len(self._feed):
                        return
                    await self._tell(data)
        finally:
            self._ready.set()
            self._feed.cut(keeper_away("changes may have been missed; list the numbers again"))

    async def _tell(self, data: bytes) -> None:
        changes = changed_verdicts(data)
        questions = list(self._feed.questions)
        messages: dict[WatchQuestion, bytes] = {}
        for begin in range(0, len(questions), QUESTIONS_A_TURN):
            pick = partial(_picked, changes, questions[begin : begin + QUESTIONS_A_TURN])
            messages |= await self._turns.take(pick, later=True)
        await self._feed.tell(changes.position, messages)


def _picked(
    changes: ChangedVerdicts, questions: Sequence[WatchQuestion]
) -> dict[WatchQuestion, bytes]:
    return {question: message_for(question, changes) for question in questions}


def _verdicts(request: pb.WatchNumbersRequest) -> frozenset[int]:
    if len(request.verdicts) > VERDICTS_MAX:
        raise bad_field("verdicts", f"value={len(request.verdicts)}, bound={VERDICTS_MAX}")
    for index, verdict in enumerate(request.verdicts):
        if verdict not in types_pb2.Verdict.values()[1:]:
            raise bad_field(f"verdicts[{index}]", f"value={verdict}, bound=1 to 9")
    return frozenset(request.verdicts)
