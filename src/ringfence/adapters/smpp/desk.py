"""What all connections of an adapter share: where messages go, and what is answered to them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Protocol

from ringfence.adapters.base import EventSink, Tally
from ringfence.adapters.smpp.answers import Answers, Event
from ringfence.adapters.smpp.hearing import Hearing
from ringfence.adapters.smpp.pdu import OK
from ringfence.adapters.smpp.reader import SmppReader
from ringfence.adapters.smpp.repeats import Repeats

WINDOW = 1_000


class SafeSink(EventSink, Protocol):
    """Where attempts go; says when they are safe: `ringfence.EventStream`."""

    def send_all(self, events: Sequence[Event]) -> bool:
        """Takes these if there is room for all; False = it took none."""

    async def flush(self) -> None:
        """Waits until all taken over so far are answered; raises what stopped the stream."""


class Desk:
    """Shared by all connections. `status` answers a message that was understood; `window` is how
    many a connection may have unanswered. `clock` gives unix seconds, `stopwatch` those by which
    silence is told.
    """

    def __init__(
        self,
        reader: SmppReader,
        sink: SafeSink,
        hearing: Hearing,
        *,
        status: int = OK,
        window: int = WINDOW,
        clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reader = reader
        self.sink = sink
        self.hearing = hearing
        self.status = status
        self.window = window
        self.clock = clock
        self.stopwatch = stopwatch
        self.repeats = Repeats()
        flush: Callable[[], Awaitable[None]] = sink.flush
        self.answers = Answers(flush)
        self._message_ids = count(int(clock()) << 20)

    @property
    def tally(self) -> Tally:
        """The outcomes so far."""
        return self.reader.tally

    def message_id(self) -> bytes:
        """A name for a message that was accepted."""
        return b"%x" % next(self._message_ids)

    def lose(self, reason: str, since: float | None = None) -> None:
        """Counts something that may have hidden an attempt; its time is lost."""
        self.tally[reason] += 1
        now = self.clock()
        self.sink.lose(int(now if since is None else since), int(now) + 1)
