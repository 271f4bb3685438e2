"""Reports that Kamailio pushes: its `evapi` module, a TCP connection that the adapter opens.

What comes are netstrings, `LENGTH:BYTES,`. Kamailio writes each once and does not look whether all
of it went out, so one may be cut: then nothing that follows can be trusted, and the connection is
opened anew. What was not sent meanwhile is seen by its number.

A netstring that the adapter sends each second is answered by the script with its newest number.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress

from ringfence.adapters.kamailio.heard import Mark
from ringfence.adapters.kamailio.report import Answer, Report
from ringfence.adapters.kamailio.source import Reports
from ringfence.backoff import backoff_s

MESSAGE_MAX = 65_536
ASK_S = 1.0
ASKED_MAX = 64
"""Questions that may still be answered."""
SILENCE_S = 10.0
"""Without an answer for so long the connection is opened anew."""
CONNECT_S = 5.0
PAUSE_S_MAX = 2.0
_LENGTH_DIGITS = 5
_READ_BYTES = 65_536


class Cut(Exception):
    """What came is no netstring."""


class Netstrings:
    """Takes octets as they come, and gives the netstrings that are whole; holds one at most."""

    def __init__(self) -> None:
        self._octets = bytearray()

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """The netstrings that end in these octets; raises Cut."""
        self._octets += octets
        at = 0
        try:
            while (colon := self._octets.find(b":", at, at + _LENGTH_DIGITS + 1)) >= 0:
                written = self._octets[at:colon]
                if not written.isdigit() or (length := int(written)) > MESSAGE_MAX:
                    raise Cut
                end = colon + 1 + length
                if len(self._octets) <= end:
                    return
                if self._octets[end : end + 1] != b",":
                    raise Cut
                yield bytes(self._octets[colon + 1 : end])
                at = end + 1
            if len(self._octets) - at > _LENGTH_DIGITS or not (
                self._octets[at:].isdigit() or len(self._octets) == at
            ):
                raise Cut
        finally:
            del self._octets[:at]


class Evapi:
    """A way in which reports come: connects to `host`, `port`, again and again."""

    def __init__(
        self,
        host: str,
        port: int,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._host = host
        self._port = port
        self._say = say
        self._clock = clock
        self._heard_at = 0.0
        self._asked: deque[tuple[str, float]] = deque(maxlen=ASKED_MAX)
        """On this connection, and when."""

    async def run(self, reports: Reports, stop: asyncio.Event) -> None:
        """Hands on what comes until it is told to stop; raises what handing on raises."""
        stopping = asyncio.create_task(stop.wait())
        connecting = asyncio.create_task(self._connect_on(reports))
        try:
            await asyncio.wait({stopping, connecting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            connecting.cancel()
            await asyncio.wait({stopping, connecting})
        if not connecting.cancelled():
            connecting.result()

    async def _connect_on(self, reports: Reports) -> None:
        failures = 0
        while True:
            why = "it was closed"
            try:
                async with asyncio.timeout(CONNECT_S):
                    stream, writer = await asyncio.open_connection(self._host, self._port)
            except (OSError, TimeoutError) as error:
                failures += 1
                why = str(error) or "no answer"
            else:
                failures = 0
                self._say("connected")
                try:
                    why = await self._converse(stream, writer, reports)
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
            if failures <= 1:  # said once, not at each attempt
                self._say(f"not connected: {why}; trying again")
            reports.count("note_evapi_not_connected")
            await asyncio.sleep(backoff_s(failures + 1, PAUSE_S_MAX))

    async def _converse(
        self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter, reports: Reports
    ) -> str:
        """Reads until the connection ends; why it did."""
        self._heard_at = time.monotonic()
        self._asked.clear()
        asking = asyncio.create_task(self._ask(writer))
        netstrings = Netstrings()
        try:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    octets = await stream.read(_READ_BYTES)
                if not octets:
                    return "it was closed"
                for message in netstrings.feed(octets):
                    read = reports.read(message)
                    if isinstance(read, Report):
                        await reports.hand_on(read)
                    elif isinstance(read, Answer):
                        self._answered(read, reports)
                if time.monotonic() - self._heard_at > SILENCE_S:
                    return "the script does not answer marks"
        except TimeoutError:
            return f"nothing came for {SILENCE_S:g} s, not even an answer to a mark"
        except Cut:
            reports.count("note_evapi_cut")
            return "what came is cut"
        except OSError as error:
            return str(error)
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    async def _ask(self, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # the reader sees it too
            while True:
                at = self._clock()
                asked = f"{at:.3f}"
                self._asked.append((asked, at))
                writer.write(f"{len(asked)}:{asked},".encode())
                await writer.drain()
                await asyncio.sleep(ASK_S)

    def _answered(self, answer: Answer, reports: Reports) -> None:
        """A mark; what was asked comes back with it, and anything else is somebody else's, to whom
        the script answers before all.
        """
        asked = [at for text, at in self._asked if text == answer.asked]
        if asked:
            self._heard_at = time.monotonic()
            if asked[0] <= self._clock():  # else that was set back meanwhile
                reports.mark(Mark(answer.boot, answer.number, asked[0]))
