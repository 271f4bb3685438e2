"""What all ways to get a script's reports share: read, handed on, counted, known to be whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from ringfence.adapters.base import EventSink, Tally, Unreadable
from ringfence.adapters.kamailio.heard import Heard, Mark
from ringfence.adapters.kamailio.reader import ReportReader
from ringfence.adapters.kamailio.report import Answer, Report, read_message
from ringfence.adapters.kamailio.state import State
from ringfence.adapters.state_keeper import StateKeeper

CLOSE_S = 10.0
DOUBT_S = 300
"""How far the switch's clock may be off; further, the time of receipt takes the place of its."""


class Reports:
    """Where a way hands on what it got."""

    def __init__(
        self, reader: ReportReader, sink: EventSink, heard: Heard, clock: Callable[[], float]
    ) -> None:
        self._reader = reader
        self._sink = sink
        self._heard = heard
        self._clock = clock

    def read(self, octets: bytes) -> Report | Answer | None:
        """Reads a message; None = it cannot be read, and is as if it had never come."""
        try:
            return read_message(octets)
        except Unreadable as unreadable:
            self.count(unreadable.reason)
            return None

    async def hand_on(self, report: Report) -> None:
        """Sends the event of a report, waiting for room; raises what stopped the stream."""
        try:
            attempt = self._reader.read(report.values)
        except Unreadable:
            return  # counted; its number stays missing
        if attempt:
            at = self._time(attempt.occurred_at)
            await self._sink.send_wait(attempt.called, attempt.caller, at, attempt.kind)
        self._heard.report(report.boot, report.number, self._clock())

    def _time(self, said: int) -> int:
        """When it happened: not before what is heard for sure, and not after now."""
        now = int(self._clock())
        if self._heard.earliest - DOUBT_S <= said <= now + DOUBT_S:
            return said
        self.count("note_time_unlikely")
        return now

    def mark(self, mark: Mark) -> None:
        """The switch said its newest number."""
        self._heard.mark(mark, self._clock())

    def count(self, outcome: str) -> None:
        """Counts something by name."""
        self._reader.tally[outcome] += 1


class Way(Protocol):
    """How reports come: pushed or pulled."""

    async def run(self, reports: Reports, stop: asyncio.Event) -> None:
        """Hands on what comes until it is told to stop; raises what ends it for good."""


class KamailioSource:
    """A `Source` of what a script reports. `where` names the switch in the line that says ready."""

    def __init__(
        self,
        way: Way,
        where: str,
        *,
        reader: ReportReader,
        sink: EventSink,
        heard: Heard,
        state: StateKeeper[State] | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._way = way
        self._where = where
        self._reader = reader
        self._heard = heard
        self._state = state
        self._clock = clock
        self._reports = Reports(reader, sink, heard, clock)

    @property
    def tally(self) -> Tally:
        """The outcomes so far."""
        return self._reader.tally

    async def open(self) -> str:
        """Nothing is opened yet: until the first mark nothing counts as heard."""
        return self._where

    async def start(self) -> None:
        """Begins to get reports."""
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(self._way.run(self._reports, self._stop))

    async def failed(self) -> None:
        """Waits until that has failed for good, and raises what it failed with."""
        await asyncio.shield(self._running)

    async def close(self) -> None:
        """Stops, and hands on what was got. Raises what it failed with."""
        self._stop.set()
        await asyncio.wait({self._running}, timeout=CLOSE_S)
        self._running.cancel()
        await asyncio.wait({self._running})
        if not self._running.cancelled():
            self._running.result()

    def look(self) -> None:
        """Gives up what does not come any more, and writes down where one would go on."""
        self._heard.look(self._clock())
        if self._heard.missed:
            self.tally["note_reports_missing"] = self._heard.missed
        if self._state:
            self._state.look()
