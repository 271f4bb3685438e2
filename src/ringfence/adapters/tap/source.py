"""Taps on a live interface, each with a tshark, one memory of attempts, and the loop that sends.

    OneTap (tcpdump -> tshark) -> reader -> loop -> EventStream

What all taps have heard is heard; what waits for a caller or for digits holds that back.

Lost, and said to be: what the kernel dropped, what a tshark had in hands that died or hung, what
came while tcpdump was replaced, and the second of a message that cannot be read. A loss begins
where what was heard ends, as what waits may wait for what was lost.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import NamedTuple

from ringfence.adapters.base import Attempt, EventSink, Tally, Unreadable
from ringfence.adapters.tap.capture import Capture
from ringfence.adapters.tap.merging import Merging
from ringfence.adapters.tap.one_tap import Gone, HeardUntil, OneTap
from ringfence.adapters.tap.packets import Packet
from ringfence.adapters.tap.reader import Outcome, TapReader
from ringfence.adapters.tap.relay import Relay

PARCELS_MAX = 256
PARCEL_OUTCOMES = 1_024
PRINTED_MAX = 16_384
"""Of each of several taps, before the reader takes it."""
CLOSE_S = 20.0

_Printed = Packet | Gone | HeardUntil | None


class _Parcel(NamedTuple):
    """From the reader's thread to the loop, in its order."""

    outcomes: list[Outcome]
    lost: list[tuple[int, int]]
    heard: float | None


class TapSource:
    """A `Source` of what a core network's signalling on one interface tells.

    `start_captures` begin a capture each, of which no frame is in two; `clock` gives unix seconds.
    """

    def __init__(
        self,
        start_captures: Sequence[Callable[[], Capture]],
        start_relay: Callable[[], Relay],
        reader: TapReader,
        sink: EventSink,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._sink = sink
        self._clock = clock
        self.tally = Tally()
        self.heard_until = clock()
        """Unix seconds: up to then all is handed on, or was said to be lost."""
        self._taps = [OneTap(each, start_relay, self.tally, clock) for each in start_captures]
        self._opened: list[OneTap] = []
        self._threads: list[threading.Thread] = []
        self._failure: asyncio.Future[None]
        self._room = threading.BoundedSemaphore(PARCELS_MAX)

    async def open(self) -> str:
        """Begins to capture."""
        try:
            for tap in self._taps:
                await asyncio.to_thread(tap.open)
                self._opened.append(tap)
        except BaseException:
            for tap in self._opened:
                await asyncio.to_thread(tap.close)
            raise
        self.heard_until = self._clock()
        return f"capture=tcpdump taps={len(self._taps)}"

    async def start(self) -> None:
        """Begins to hand on."""
        self._loop = asyncio.get_running_loop()
        self._failure = self._loop.create_future()
        for work in (*(tap.give_all for tap in self._taps), self._read_all):
            thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
            self._threads.append(thread)
            thread.start()

    async def failed(self) -> None:
        """Waits until listening has failed for good, and raises what it failed with."""
        await asyncio.shield(self._failure)

    async def close(self) -> None:
        """Ends the captures, and hands on what they had."""
        for tap in self._taps:
            tap.stop()
        until = time.monotonic() + 2 * CLOSE_S
        try:
            for thread in self._threads:
                await asyncio.to_thread(thread.join, max(0.1, until - time.monotonic()))
        finally:
            for tap in self._taps:
                await asyncio.to_thread(tap.close)
        if self._failure.done():
            self._failure.result()

    def look(self) -> None:
        """Asks each tcpdump how it is, and ends one that does not answer: another follows."""
        for tap in self._taps:
            tap.look()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # a thread has nobody above it
            self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    # The reader's thread

    def _read_all(self) -> None:
        """Makes parcels of what tsharks print."""
        outcomes: list[Outcome] = []
        heard = [self.heard_until] * len(self._taps)
        told = self.heard_until
        for number, printed in self._printed():
            lost: list[tuple[float, float]] = []
            said: float | None = None
            if isinstance(printed, Packet):
                for outcome in self._reader.read(printed):
                    outcomes.append(outcome)
                    if isinstance(outcome, Unreadable):
                        lost.append((printed.at, printed.at))
            elif isinstance(printed, Gone):
                lost.append((min(told, printed.began), printed.ended))
            else:
                heard[number] = max(heard[number], printed.at)
                until = min(heard)
                outcomes += self._reader.due(until)
                said = told = min(until, self._reader.waits_since(until))
            if lost or said is not None or len(outcomes) >= PARCEL_OUTCOMES:
                self._send(outcomes, lost, said)
                outcomes = []
        outcomes += self._reader.due(math.inf)
        self._send(outcomes, [], min(heard))

    def _printed(self) -> Iterator[tuple[int, Packet | Gone | HeardUntil]]:
        """What the taps print, each with its number, packets in the order of their time."""
        if len(self._taps) == 1:
            yield from ((0, printed) for printed in self._taps[0].printed())
            return
        queue: SimpleQueue[tuple[int, _Printed]] = SimpleQueue()
        rooms = [threading.BoundedSemaphore(PRINTED_MAX) for _ in self._taps]

        def pass_on(number: int) -> None:
            try:
                for printed in self._taps[number].printed():
                    rooms[number].acquire()
                    queue.put((number, printed))
            finally:
                rooms[number].acquire()
                queue.put((number, None))

        for number in range(len(self._taps)):
            work = (lambda number=number: pass_on(number),)
            threading.Thread(target=self._guarded, args=work, daemon=True).start()
        merging = Merging(len(self._taps))
        going = len(self._taps)
        while going:
            number, printed = queue.get()
            rooms[number].release()
            if isinstance(printed, Packet):
                merging.take(printed)
                merging.come(number, printed.at)
            elif isinstance(printed, HeardUntil):
                merging.come(number, printed.at)
            elif printed is None:
                merging.end(number)
                going -= 1
            yield from ((number, packet) for packet in merging.due())
            if isinstance(printed, Gone | HeardUntil):
                yield number, printed

    def _send(
        self, outcomes: list[Outcome], lost: list[tuple[float, float]], heard: float | None
    ) -> None:
        whole = [(int(begin), int(end) + 1) for begin, end in lost]
        self._room.acquire()  # the loop never waits for a server, so this is soon
        self._loop.call_soon_threadsafe(self._take, _Parcel(outcomes, whole, heard))

    # The loop's thread

    def _take(self, parcel: _Parcel) -> None:
        self._room.release()
        for began_at, ended_at in parcel.lost:  # first, so that no claim goes out in between
            self._sink.lose(began_at, ended_at)
        try:
            for outcome in parcel.outcomes:
                if isinstance(outcome, Attempt):
                    self.tally["event"] += 1
                    if not self._sink.send(
                        outcome.called, outcome.caller, outcome.occurred_at, outcome.kind
                    ):
                        self.tally["note_dropped_no_room"] += 1
                else:
                    self.tally[str(outcome)] += 1
        except Exception as error:  # a callback of the loop has nobody above it
            self._fail(error)
        if parcel.heard is not None:
            self.heard_until = max(self.heard_until, parcel.heard)
