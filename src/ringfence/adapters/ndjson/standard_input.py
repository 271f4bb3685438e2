"""Lines from standard input, as they come, until it ends."""

from __future__ import annotations

import asyncio
import os
import sys
from fcntl import F_GETFL, fcntl

from ringfence.adapters.base import Tally
from ringfence.adapters.ndjson.desk import Desk
from ringfence.adapters.ndjson.line import BadLine
from ringfence.adapters.ndjson.splitter import Splitter

CLOSE_S = 10.0
PIECE = 65_536


class StandardInput:
    """A `Source` that reads a file descriptor; another end of it than a pipe will do too."""

    def __init__(self, desk: Desk, descriptor: int = 0) -> None:
        self._desk = desk
        self._descriptor = descriptor
        self._lines = Splitter()

    @property
    def tally(self) -> Tally:
        """The outcomes so far."""
        return self._desk.tally

    async def open(self) -> str:
        """What is written waits in the pipe; raises OSError where nothing can be read from it."""
        # What was closed before the start may be anything by now: the next file took its place.
        closed = self._descriptor == 0 and sys.__stdin__ is None
        if closed or fcntl(self._descriptor, F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
            raise OSError("standard input is closed, or only open for writing: nothing can be read")
        self._stop = asyncio.Event()
        return "input=-"

    async def start(self) -> None:
        """Begins to read."""
        self._reading = asyncio.create_task(self._read_all())

    async def failed(self) -> None:
        """Waits until there is no more to read; raises what stopped that."""
        await asyncio.shield(self._reading)

    async def close(self) -> None:
        """Stops, and hands on what was read. Raises what went wrong."""
        self._stop.set()
        await asyncio.wait({self._reading}, timeout=CLOSE_S)
        self._reading.cancel()
        await asyncio.wait({self._reading})
        if not self._reading.cancelled():
            self._reading.result()

    def look(self) -> None:
        """Counts what nothing else announces."""
        self._desk.look()

    async def _read_all(self) -> None:
        while await self._readable():
            # Of what was said to be readable a read returns what there is, and does not wait.
            octets = os.read(self._descriptor, PIECE)
            for line in self._lines.feed(octets) if octets else self._lines.finish():
                await self._take(line)
            if not octets:
                return

    async def _take(self, line: bytes | None) -> None:
        try:
            await self._desk.take_line(line)
        except BadLine:
            return  # counted

    async def _readable(self) -> bool:
        """Waits until there is something, or the end; False = told to stop."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(self._descriptor, ready.set)
        except PermissionError:  # a file: always readable, and epoll refuses it
            await asyncio.sleep(0)
            return not self._stop.is_set()
        waiting = [asyncio.create_task(each.wait()) for each in (ready, self._stop)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_reader(self._descriptor)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        return not self._stop.is_set()
