"""EventService: batches of events, from the bytes of the message to the bytes of the answer.

A batch is inserted, then journalled, then answered when the journal holds it. Meanwhile its stream
goes on: several batches share one write to the disk.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ringfence.engine.core import Engine, Inserted
from ringfence.engine.settings import check_name
from ringfence.engine.wire import EventDecoder, encode_events_answer
from ringfence.server.drain import Context, Drain
from ringfence.server.durable import Durable
from ringfence.server.event_value import EventValue, encode_event_value
from ringfence.server.refusal import bad_field
from ringfence.server.routes import Answer

CLAIM_AHEAD_S_MAX = 300
UNANSWERED_MAX = 32  # of one stream


class _Taken(NamedTuple):
    """The answer to a batch, and what it waits for; None = the batch has changed nothing."""

    answer: bytes
    durable: asyncio.Future[int] | None


_Unanswered = asyncio.Queue[_Taken | None]


class EventService:
    """Takes events into the table; one decoder serves all streams, as none waits while using it."""

    def __init__(
        self,
        engine: Engine,
        durable: Durable,
        drain: Drain,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._durable = durable
        self._drain = drain
        self._clock = clock
        self._decoder = EventDecoder()

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {"StreamEvents": self.stream_events, "RecordEvents": self.record_events}

    async def stream_events(self, _: object, context: Context) -> None:
        """Answers batches in their order; what ends the stream waits for the answers before it."""
        unanswered = _Unanswered(UNANSWERED_MAX)
        try:
            async with asyncio.TaskGroup() as both:
                answering = both.create_task(_answer(context, unanswered))
                ended_by = await self._read(context, unanswered)
                if not answering.done():  # else nobody would take it
                    await unanswered.put(None)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None  # there is one task
        if ended_by is not None:
            raise ended_by

    async def record_events(self, message: bytes, _: Context) -> bytes:
        """Answers one batch."""
        taken = self._take(message)
        if taken.durable is not None:
            await taken.durable
        return taken.answer

    async def _read(self, context: Context, unanswered: _Unanswered) -> Exception | None:
        """Takes batches until the stream ends; returns what ended it if the client did not."""
        try:
            while (message := await self._drain.read(context)) is not None:
                await unanswered.put(self._take(message))
        except Exception as error:
            return error
        return None

    def _take(self, message: bytes) -> _Taken:
        batch = self._decoder
        now = int(self._clock())
        batch.decode(message)
        check_name("feed", batch.feed)
        if batch.watermark > now + CLAIM_AHEAD_S_MAX:
            raise bad_field(
                "watermark", f"value={batch.watermark}, bound={now + CLAIM_AHEAD_S_MAX}"
            )
        if 0 < batch.watermark <= batch.complete_from:
            raise bad_field(
                "complete_from",
                f"value={batch.complete_from}, bound=before watermark {batch.watermark}",
            )
        inserted = self._engine.insert_decoded(batch, now=now)
        answer = encode_events_answer(
            batch.sequence,
            inserted.accepted,
            inserted.untracked,
            inserted.rejected,
            inserted.rejections,
            0,  # the watermark of an unregistered feed
        )
        value = _value(batch, inserted)
        if not value.taken and not value.watermark:
            return _Taken(answer, None)
        return _Taken(answer, self._durable.submit(encode_event_value(value)))


def _value(batch: EventDecoder, inserted: Inserted) -> EventValue:
    """What the journal keeps of a batch. One with a rejected event makes no claim, and neither
    does one without complete_from: no feed holds a watermark to begin at.
    """
    if inserted.rejected or not batch.complete_from:
        return EventValue(batch.feed, 0, 0, inserted.taken)
    return EventValue(batch.feed, batch.complete_from, batch.watermark, inserted.taken)


async def _answer(context: Context, unanswered: _Unanswered) -> None:
    while (taken := await unanswered.get()) is not None:
        if taken.durable is not None:
            await taken.durable
        await context.write(taken.answer)
