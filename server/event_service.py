"""EventService: batches of events, from the bytes of the message to the bytes of the answer."""

import time
from collections.abc import Callable, Mapping

from ringfence.engine.core import Engine
from ringfence.engine.settings import check_name
from ringfence.engine.wire import EventDecoder, encode_events_answer
from ringfence.server.drain import Context, Drain
from ringfence.server.refusal import bad_field
from ringfence.server.routes import Answer

CLAIM_AHEAD_S_MAX = 300


class EventService:
    """Takes events into the table; one decoder serves all streams, as none waits while using it."""

    def __init__(
        self, engine: Engine, drain: Drain, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._drain = drain
        self._clock = clock
        self._decoder = EventDecoder()

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {"StreamEvents": self.stream_events, "RecordEvents": self.record_events}

    async def stream_events(self, _: object, context: Context) -> None:
        """Answers each batch before it reads the next: a bad one ends the stream, in its turn."""
        while (message := await self._drain.read(context)) is not None:
            await context.write(self._take(message))

    async def record_events(self, message: bytes, _: Context) -> bytes:
        """Answers one batch."""
        return self._take(message)

    def _take(self, message: bytes) -> bytes:
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
        return encode_events_answer(
            batch.sequence,
            inserted.accepted,
            inserted.untracked,
            inserted.rejected,
            inserted.rejections,
            0,  # the watermark of an unregistered feed
        )
