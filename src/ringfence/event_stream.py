"""`EventStream` sends what a switch sees: batches, heartbeats and claims over one gRPC stream."""

import asyncio
import logging
import math
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import grpc

from ringfence import event_calls
from ringfence.backoff import backoff_s
from ringfence.channel import STREAM_ENDED, Tls, actor_metadata, open_async_channel
from ringfence.errors import (
    BadField,
    Internal,
    RingfenceError,
    Unavailable,
    Unreachable,
    translated,
)
from ringfence.event_batch import SentEvent
from ringfence.event_buffer import EventBuffer
from ringfence.messages import moment_of
from ringfence.v1.event_service_pb2 import StreamEventsRequest, StreamEventsResponse

BATCH_EVENTS_MAX = 65_536
UNANSWERED_BATCHES_MAX = 16
REJECTIONS_KEPT = 10
PAUSE_S_MAX = 5.0
CANCEL_S = 0.1  # how long a cancellation may take before it is repeated
CLOSE_S = 2.0  # how long the server has to end its side of a stream that we have ended

_FEED = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EventStreamStats:
    """What a stream has done so far; figures without another unit count events."""

    accepted: int
    untracked: int
    rejected: int
    rejections: tuple[str, ...]  # why, for the first 10
    dropped: int  # not taken over: the buffer was full or the stream has stopped
    late: int  # handed over after a claim of their time had been drawn
    resent: int  # each time counted
    unanswered: int  # taken over, not yet answered
    refused: int  # lost in refused batches
    refused_batches: int
    reconnects: int  # attempts at a stream after the first
    watermark: datetime | None  # the feed's, as the server holds it

    @property
    def answered(self) -> int:
        """Events of which it is known what became of them."""
        return self.accepted + self.untracked + self.rejected + self.refused


class EventStream:
    """A feed's connection to a server, for asyncio: takes events over and sees that they arrive.

    At most `buffer_events` events (about 21 bytes each) wait for their answers; what comes on top
    is dropped and counted. A batch goes out when it has `batch_events` or after `linger_s`, and
    when nothing happens an empty one every `heartbeat_s`. What was not answered is sent again
    after a lost connection. A batch that the server refuses as invalid is logged, counted and
    skipped; any other error stops the stream: `flush`, `send_wait`, `wait_stopped` and the end of
    the `async with` raise it.

    With `claims` each batch claims that everything which happened up to `lateness_s` ago has been
    handed over, from the moment the stream was entered and without the times of events that were
    dropped. So listen first, then enter it, hand events over within `lateness_s` of their
    time, and use `claims=False` for a replay of old events.

    A sender whose source keeps what nobody has fetched yet says more: `since` (unix seconds), from
    when on nothing was missed, and `heard_until`, a function that says until when (unix seconds)
    everything was handed over or given to `lose`; claims end `lateness_s` before that.

    `on_lost` is told which events the server rejected or refused, before any `flush` that waits for
    them returns; some that it took may be among them.

    Used from one event loop only. `clock` gives unix seconds.
    """

    def __init__(
        self,
        server: str,
        feed: str,
        *,
        buffer_events: int = 1_000_000,
        batch_events: int = 8_192,
        linger_s: float = 0.2,
        heartbeat_s: float = 10.0,
        lateness_s: float = 5.0,
        claims: bool = True,
        tls: Tls | None = None,
        actor: str | None = None,
        since: int | None = None,
        heard_until: Callable[[], float] | None = None,
        on_lost: Callable[[Sequence[SentEvent]], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not _FEED.fullmatch(feed):
            raise ValueError(f"bad feed name: value={feed[:80]!r}, bound={_FEED.pattern}")
        if not 1 <= batch_events <= BATCH_EVENTS_MAX:
            raise ValueError(f"batch_events={batch_events}, bound=1 to {BATCH_EVENTS_MAX}")
        if buffer_events < 1:
            raise ValueError(f"buffer_events={buffer_events}, bound=1 or more")
        for name, value in (("linger_s", linger_s), ("lateness_s", lateness_s)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}={value}, bound=0 or more")
        if not 0 < heartbeat_s < math.inf:
            raise ValueError(f"heartbeat_s={heartbeat_s}, bound=more than 0")
        self._server = server
        self._feed = feed
        self._linger_s = linger_s
        self._heartbeat_s = heartbeat_s
        self._tls = tls
        self._on_lost = on_lost
        self._metadata = actor_metadata(actor)
        self._buffer = EventBuffer(
            feed,
            events_max=buffer_events,
            batch_events=batch_events,
            lateness_s=lateness_s if claims else None,
            clock=clock,
            since=since,
            heard_until=heard_until,
        )
        self._moved = asyncio.Event()  # wakes all who wait for anything; see _pulse
        self._linger: asyncio.TimerHandle | None = None
        self._due = False  # unfinished events are to go
        self._one_by_one = 0  # so many batches go only when the one before is answered
        self._closing = False
        self._beat_at = 0.0  # of the event loop's clock: when an empty batch is due
        self._beat: asyncio.TimerHandle
        self._failure: BaseException | None = None
        self._connections = self._failures = 0
        self._answering: bool | None = None
        self._accepted = self._untracked = self._rejected = 0
        self._refused = self._refused_batches = 0
        self._rejections: list[str] = []
        self._watermark = 0

    async def __aenter__(self) -> Self:
        self._buffer.listen()
        self._channel = open_async_channel(self._server, self._tls)
        self._running = asyncio.create_task(self._run())
        self._running.add_done_callback(self._stopped)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Waits until all is answered, unless an exception leaves the block; then closes."""
        try:
            if kind is None:
                await self.flush()
                self._closing = True
                self._pulse()
                await asyncio.wait({self._running}, timeout=CLOSE_S)
        finally:
            if self._linger is not None:
                self._linger.cancel()
            # grpc.aio may swallow a cancellation while a call is still connecting: ask again.
            while not self._running.done():
                self._running.cancel()
                await asyncio.wait({self._running}, timeout=CANCEL_S)
            await self._channel.close()

    def send(self, called: int, caller: int, occurred_at: int, kind: int) -> bool:
        """Takes an event over; False = it was dropped, for want of room or after a stop.

        called: E.164 digits; caller: 0 = withheld, digits, or `caller_of_text`; occurred_at: unix
        seconds; kind: an EventKind. Raises ValueError for integers that do not fit on the wire.
        """
        buffer = self._buffer
        if buffer.is_full or self._failure is not None:
            buffer.drop(occurred_at)
            return False
        self._take(called, caller, occurred_at, kind)
        return True

    async def send_wait(self, called: int, caller: int, occurred_at: int, kind: int) -> None:
        """Takes an event over as soon as there is room; raises what stopped the stream."""
        while self._failure is not None or self._buffer.is_full:
            self._raise_if_stopped()
            await self._moved.wait()
        if self._take(called, caller, occurred_at, kind):  # let it go before the next one
            await asyncio.sleep(0)

    def send_all(self, events: Sequence[tuple[int, int, int, int]]) -> bool:
        """Takes events over if there is room for all; False = none was taken, and none counts as
        dropped.

        Each is called, caller, occurred_at and kind, as for `send`. Raises ValueError, and takes
        none, where an integer does not fit on the wire.
        """
        if self._failure is not None or not self._buffer.has_room(len(events)):
            return False
        if self._buffer.take_all(events):
            self._pulse()
        if self._buffer.has_unfinished:
            self._let_linger()
        return True

    async def flush(self) -> None:
        """Waits until all events taken over so far are answered; raises what stopped the stream."""
        self._raise_if_stopped()
        taken = self._buffer.taken
        self._due = True
        self._pulse()
        while self._buffer.settled < taken:
            await self._moved.wait()
            self._raise_if_stopped()

    async def wait_stopped(self) -> None:
        """Waits until the stream stops, and raises what stopped it."""
        await asyncio.wait({self._running})
        self._raise_if_stopped()

    def lose(self, began_at: int, ended_at: int) -> None:
        """Takes [began_at, ended_at), unix seconds, out of the claims that are still to be sent.

        For a sender that knows it did not hear everything, as when its own source was cut off.
        """
        self._buffer.lose(began_at, ended_at)

    @property
    def stats(self) -> EventStreamStats:
        """What the stream has done so far."""
        return EventStreamStats(
            accepted=self._accepted,
            untracked=self._untracked,
            rejected=self._rejected,
            rejections=tuple(self._rejections),
            dropped=self._buffer.dropped,
            late=self._buffer.late,
            resent=self._buffer.resent,
            unanswered=self._buffer.taken - self._buffer.settled,
            refused=self._refused,
            refused_batches=self._refused_batches,
            reconnects=max(self._connections - 1, 0),
            watermark=moment_of(self._watermark),
        )

    @property
    def answering(self) -> bool | None:
        """Whether the server answered last, and was not lost since; None = neither, as yet."""
        return self._answering

    def _take(self, called: int, caller: int, occurred_at: int, kind: int) -> bool:
        """Takes an event over, for which there is room; whether a batch is full with it."""
        if self._buffer.take(called, caller, occurred_at, kind):
            self._pulse()
            return True
        self._let_linger()
        return False

    def _let_linger(self) -> None:
        if self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(self._linger_s, self._lingered)

    def _lingered(self) -> None:
        self._linger = None
        self._due = True
        self._pulse()

    def _pulse(self) -> None:
        """Wakes everyone who waits for something to move; each looks again at what it needs."""
        self._moved.set()
        self._moved.clear()

    def _raise_if_stopped(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _stopped(self, running: asyncio.Task[None]) -> None:
        if not running.cancelled():
            self._failure = running.exception()
        self._pulse()

    async def _run(self) -> None:
        method = event_calls.STREAM_EVENTS
        stream = self._channel.stream_stream(
            method.path, StreamEventsRequest.SerializeToString, method.response.FromString
        )
        while True:
            self._connections += 1
            error = await self._converse(stream(metadata=self._metadata))
            if error is None:
                return
            if isinstance(error, BadField) and self._buffer.in_flight > 0:
                self._give_up(error)
            elif isinstance(error, Unavailable | Unreachable):
                self._answering = False
                self._failures += 1
                await asyncio.sleep(backoff_s(self._failures, PAUSE_S_MAX))
            else:
                raise error
            # What was on its way when a stream ended goes one by one on the next. A batch that is
            # refused alone is the culprit for sure, and no write behind it can hide its status
            # (see errors.py).
            self._one_by_one = self._buffer.in_flight
            self._buffer.rewind()

    async def _converse(self, call: Any) -> RingfenceError | None:
        """Sends and reads until the stream ends, and says why; None = because we ended it."""
        ended: RingfenceError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._write(call))
                try:
                    await self._read(call)
                except RingfenceError as error:
                    ended = error
                writing.cancel()
        finally:
            call.cancel()
        return ended

    async def _write(self, call: Any) -> None:
        self._beat_at = self._next_beat()
        self._rearm()
        try:
            with suppress(*STREAM_ENDED):  # the reader sees why
                await self._write_all(call)
        finally:
            self._beat.cancel()

    async def _write_all(self, call: Any) -> None:
        while not (self._closing and self._buffer.is_empty):
            request = self._next_request()
            if request is None:
                await self._moved.wait()
                continue
            self._beat_at = self._next_beat()
            await call.write(request)
        await call.done_writing()

    def _next_beat(self) -> float:
        return asyncio.get_running_loop().time() + self._heartbeat_s

    def _next_request(self) -> StreamEventsRequest | None:
        if self._buffer.in_flight >= (1 if self._one_by_one else UNANSWERED_BATCHES_MAX):
            return None
        request = self._buffer.next_request(early=self._due)
        self._due = self._due and self._buffer.has_unfinished
        return request

    def _rearm(self) -> None:
        self._beat = asyncio.get_running_loop().call_at(self._beat_at, self._beat_if_due)

    def _beat_if_due(self) -> None:
        # A timer for each wait would cost more than a wait. This one goes on when it is over, until
        # nothing was sent for so long; whoever asks for answers all the time moves a lot.
        if asyncio.get_running_loop().time() >= self._beat_at:
            self._beat_at = self._next_beat()
            if self._buffer.is_empty:  # else what is on its way says as much
                self._buffer.finish()
                self._pulse()
        self._rearm()

    async def _read(self, call: Any) -> None:
        try:
            while (answer := await call.read()) is not grpc.aio.EOF:
                self._settle(answer)
        except grpc.RpcError as failure:
            raise translated(failure) from failure
        if not self._closing:
            raise Internal("the server ended the stream: status=OK")

    def _settle(self, answer: StreamEventsResponse) -> None:
        if not self._buffer.is_next_answer(answer.sequence):
            raise Internal(f"answer out of order: sequence={answer.sequence}")
        batch = self._buffer.settle()
        if answer.rejected:
            lost = batch.rejected(answer.rejected, [each.index for each in answer.rejections])
            self._buffer.lose_events(lost)
            self._tell(lost)
        self._one_by_one = max(self._one_by_one - 1, 0)
        self._failures = 0
        self._answering = True
        self._accepted += answer.accepted
        self._untracked += answer.untracked
        self._rejected += answer.rejected
        room = REJECTIONS_KEPT - len(self._rejections)
        self._rejections += [rejection.reason for rejection in answer.rejections[:room]]
        self._watermark = answer.watermark
        self._pulse()

    def _give_up(self, error: BadField) -> None:
        # Earlier batches are all answered, so the first one unanswered is the culprit.
        batch = self._buffer.give_up()
        self._refused_batches += 1
        self._refused += len(batch)
        self._tell(batch.rejected(len(batch), ()))
        _log.warning(
            "batch refused and skipped: feed=%s, sequence=%d, events=%d: %s",
            *(self._feed, batch.sequence, len(batch), error),
        )
        self._pulse()

    def _tell(self, lost: Sequence[SentEvent]) -> None:
        if self._on_lost is not None and lost:
            self._on_lost(lost)
