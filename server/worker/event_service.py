"""EventService: batches of events, from the bytes of the message to the bytes of the answer.

A batch is inserted, then journalled, then answered when the journal holds it. Meanwhile its stream
goes on: several batches share one write to the disk. On a slow disk a batch waits until there is
room for it, and its stream with it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from ringfence.engine.answers import Inserted
from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.events.wire import EventDecoder, encode_events_answer
from ringfence.engine.settings.policy import check_name
from ringfence.server.journal.awaited_journal import AwaitedJournal
from ringfence.server.journal.event_value import EventValue, encode_event_value
from ringfence.server.journal.journal import JournalError
from ringfence.server.link.drain import Context, Drain
from ringfence.server.link.refusal import bad_field
from ringfence.server.link.routes import Answer
from ringfence.server.worker.claim_reporter import ClaimReporter

CLAIM_AHEAD_S_MAX = 300
UNANSWERED_MAX = 32  # of one stream
VALUE_REST_BYTES = 512  # of a journalled value: events take fewer bytes there than in their message


class _Taken(NamedTuple):
    """What a batch is answered, and what that waits for; None = the batch has changed nothing."""

    sequence: int
    feed: str
    inserted: Inserted
    durable: asyncio.Future[int] | None


_Unanswered = asyncio.Queue[_Taken | None]


class EventService:
    """Takes events into the table; one decoder serves all streams, as none waits while using it."""

    def __init__(
        self,
        inserter: EventInserter,
        journal: AwaitedJournal,
        drain: Drain,
        reporter: ClaimReporter,
        clock: Callable[[], int],
    ) -> None:
        self._inserter = inserter
        self._journal = journal
        self._drain = drain
        self._claims = reporter.claims
        self._reporter = reporter
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
                answering = both.create_task(self._write_answers(context, unanswered))
                ended_by = await self._read(context, unanswered)
                if not answering.done():  # else nobody would take it
                    await unanswered.put(None)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None  # there is one task
        if ended_by is not None:
            raise ended_by

    async def record_events(self, message: bytes, _: Context) -> bytes:
        """Answers one batch."""
        await self._journal.room(len(message) + VALUE_REST_BYTES)
        return await self._answer(self._take(message))

    async def _read(self, context: Context, unanswered: _Unanswered) -> Exception | None:
        """Takes batches until the stream ends; returns what ended it if the client did not."""
        try:
            while (message := await self._drain.read(context)) is not None:
                await self._journal.room(len(message) + VALUE_REST_BYTES)
                await unanswered.put(self._take(message))
        except Exception as error:
            return error
        return None

    def _take(self, message: bytes) -> _Taken:
        batch = self._decoder
        now = self._clock()
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
        inserted = self._inserter.insert_decoded(batch, now=now)
        claim = None  # of a batch that is not whole
        if not inserted.rejected:
            claim = self._claims.claim(batch.feed, batch.complete_from, batch.watermark)
        events = inserted.accepted + inserted.untracked + inserted.rejected
        self._reporter.sent(batch.feed, events)
        durable = None
        if inserted.taken or claim:
            durable = self._submit(EventValue(batch.feed, claim, inserted.taken))
        # The journal has what was taken: a client that reads no answers is not to keep it here.
        return _Taken(batch.sequence, batch.feed, replace(inserted, taken=b""), durable)

    def _submit(self, value: EventValue) -> asyncio.Future[int]:
        try:
            durable = self._journal.submit(encode_event_value(value))
        except JournalError:
            self._claims.fail(value.feed)
            raise
        durable.add_done_callback(partial(self._reporter.settle, value.feed, value.claim))
        return durable

    async def _write_answers(self, context: Context, unanswered: _Unanswered) -> None:
        while (taken := await unanswered.get()) is not None:
            await context.write(await self._answer(taken))

    async def _answer(self, taken: _Taken) -> bytes:
        """The answer to a batch, once all of it is durable."""
        if taken.durable is not None:
            await taken.durable
        return encode_events_answer(
            taken.sequence,
            taken.inserted.accepted,
            taken.inserted.untracked,
            taken.inserted.rejected,
            taken.inserted.rejections,
            self._claims.watermark(taken.feed),
        )
