"""A HEP port that several processes read, and the one memory, stream and claims behind them.

All that tells whether a report is the first of its call is here (`CallMemory`), so it does not
matter which process hears what. A process that is busy, or waits because this one is, holds the
claims: they reach no further than what the slowest has handed over.

The sockets are this process's: what arrives while one that reads is not there waits in the kernel
for the next. One that ends, or says nothing for HANG_LOOKS seconds, is replaced; what it may have
read and not handed over is lost time.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from ringfence.adapters import hep_listener
from ringfence.adapters.agents import Agents
from ringfence.adapters.base import EventSink, Tally
from ringfence.adapters.hep_listener import DROPPED_BY_KERNEL
from ringfence.adapters.hep_memory import CallMemory
from ringfence.adapters.hep_ports import Ports, open_ports, written_address
from ringfence.adapters.processes.batch import Batch, unpack
from ringfence.adapters.processes.process import Reading
from ringfence.adapters.processes.settings import ReaderSettings
from ringfence.adapters.processes.start import Start
from ringfence.backoff import backoff_s

PROCESSES_MAX = 64
HANG_LOOKS = 10
"""So many looks, of a second each, without a word: it hangs. It says something ten times in each;
and a look is not taken while this process is stopped itself, as a point in time would be."""
PAUSE_S_MAX = 30.0
STEADY_S = 60.0
"""One that has read for so long has not failed again because of what it failed of before."""
CLOSE_S = hep_listener.CLOSE_S + 5.0
_SAID_MAX = 64


@dataclass(slots=True)
class _Place:
    """One of the processes, and whichever comes after it."""

    ports: Ports
    heard_until: float
    reading: Reading | None = None
    is_connected: bool = False
    kernel_drops: int = 0
    silent_looks: int = 0
    is_served: bool = False
    """A batch of it is being worked off: that it says nothing is not its fault."""
    ended: bool = False
    following: asyncio.Task[None] | None = field(default=None, repr=False)


class HepProcesses:
    """A `Source` that listens on `host` and `port` (0 = any that is free) with `count` processes.

    `clock` gives unix seconds.
    """

    def __init__(
        self,
        settings: ReaderSettings,
        sink: EventSink,
        host: str,
        port: int,
        count: int,
        *,
        say: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._sink = sink
        self._host = host
        self._port = port
        self._count = count
        self._say = say
        self._clock = clock
        self._hash_seed = secrets.randbelow(2**32 - 1) + 1
        self._memory = CallMemory()
        self._late_s = settings.reader().late_s
        self._places: list[_Place] = []
        self._said: set[str] = set()
        self._failure: asyncio.Future[None]
        self._closing = False
        self.tally = Tally()
        """The outcomes of all that was handed over."""
        self.agents = Agents(settings.agents)
        """Which of the named ones were understood."""

    @property
    def heard_until(self) -> float:
        """Until when, unix seconds, all was handed on or counted as lost; it ends with `close`."""
        return min((place.heard_until for place in self._places), default=0.0)

    @property
    def process_ids(self) -> list[int]:
        """Of the processes that read just now."""
        return [place.reading.pid for place in self._places if place.reading]

    async def open(self) -> str:
        """Starts the processes and takes the port; see `Source`. Raises OSError."""
        self._failure = asyncio.get_running_loop().create_future()
        beginning = [
            asyncio.create_task(Reading.begin(self._hash_seed)) for _ in range(self._count)
        ]
        try:
            readings = await asyncio.gather(*beginning)
            opened = await open_ports(
                self._host,
                self._port,
                self._count,
                receive_buffer_bytes=hep_listener.RECEIVE_BUFFER_BYTES,
            )
        except BaseException:
            await asyncio.wait(beginning)
            for task in beginning:
                if not task.cancelled() and not task.exception():
                    task.result().kill()
                    await task.result().end()
            raise
        now = self._clock()
        self._places = [
            _Place(ports, now, reading) for ports, reading in zip(opened, readings, strict=True)
        ]
        host, port, *_ = opened[0].stream.getsockname()
        return f"listen={written_address(host, port)}"

    async def start(self) -> None:
        """Gives them the sockets; what has arrived since `open` waits in the kernel."""
        for place in self._places:
            place.following = asyncio.create_task(self._follow(place))

    async def failed(self) -> None:
        """Waits until handing on has failed for good, and raises what it failed with."""
        await asyncio.shield(self._failure)

    async def close(self) -> None:
        """Has all hand over what had arrived, and end. Raises what handing on failed with."""
        self._closing = True
        following = []
        for place in self._places:
            if place.following is not None:
                following.append(place.following)
                if place.reading is not None:
                    place.reading.stop()
                else:
                    place.following.cancel()
        if following:
            _, late = await asyncio.wait(following, timeout=CLOSE_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        for place in self._places:
            if place.reading is not None:
                place.reading.kill()
                await place.reading.end()
                place.reading = None
            if not place.ended:
                self._lose(place)
            place.ports.close()
        if self._failure.done():
            self._failure.result()

    def look(self) -> None:
        """Ends a process that says nothing any more, and notices calls forgotten too early."""
        for place in self._places:
            place.silent_looks += 1
            if place.is_served or place.reading is None:
                place.silent_looks = 0
            elif place.silent_looks > HANG_LOOKS:
                self._say(f"process {place.reading.pid} says nothing: limit={HANG_LOOKS} s")
                place.reading.kill()
                place.silent_looks = 0
        if self._memory.forgotten_early:
            self.tally["note_calls_forgotten"] = self._memory.forgotten_early

    async def _follow(self, place: _Place) -> None:
        """Takes what the process in this place finds, and puts another there when it has ended."""
        failures = 0
        try:
            while True:
                began = time.monotonic()
                how = await self._read_in(place)
                if place.ended:
                    return
                self._lose(place)
                self.tally["note_process_ended"] += 1
                self._say(f"{how}; what it had not handed over is not claimed")
                if self._closing:
                    return
                failures = 1 if time.monotonic() - began > STEADY_S else failures + 1
                await asyncio.sleep(backoff_s(failures, PAUSE_S_MAX))
        except Exception as error:
            if not self._failure.done():
                self._failure.set_exception(error)

    async def _read_in(self, place: _Place) -> str:
        """Takes what one process finds until it is gone; how it ended."""
        try:
            reading = place.reading = place.reading or await Reading.begin(self._hash_seed)
        except OSError as error:
            return f"cannot start a process: {error}"
        place.silent_looks = 0
        start = Start(self._settings, place.heard_until, place.kernel_drops)
        async with aclosing(reading.batches(place.ports, start)) as batches:
            async for batch in batches:
                place.is_served, place.silent_looks = True, 0
                await self._take(place, batch)
                place.is_served = False
                place.ended = batch.is_last
                await asyncio.sleep(0)  # others have their turn, however much there is of this one
        how = await reading.end()
        place.reading = None
        return f"process {reading.pid} has ended: {how}"

    async def _take(self, place: _Place, batch: Batch) -> None:
        for began_at, ended_at in batch.lost:  # first, so that no claim goes out in between
            self._sink.lose(began_at, ended_at)
        self.tally.update(batch.tally)
        place.kernel_drops += batch.tally.get(DROPPED_BY_KERNEL, 0)
        for packed in batch.reports:
            seen, at, kind, caller_unreadable = unpack(packed)
            if self._memory.is_first(seen, at, kind):
                self.tally["repeat"] -= 1
                self.tally["event"] += 1
                if caller_unreadable:
                    self.tally["note_caller_unreadable"] += 1
                await self._sink.send_wait(seen.called, seen.caller or 0, at, kind)
        for which in batch.understood:
            self.agents.understand(which)
        for text in batch.said:
            if text not in self._said and len(self._said) < _SAID_MAX:
                self._said.add(text)
                self._say(text)
        place.heard_until, place.is_connected = batch.heard_until, batch.is_connected

    def _lose(self, place: _Place) -> None:
        """What the process in this place has read since it last handed over is lost."""
        since_s = hep_listener.STALL_S if place.is_connected else 0
        began_at = int(place.heard_until - since_s) - self._late_s
        self._sink.lose(began_at, int(self._clock()) + 1)
        place.is_connected = False
