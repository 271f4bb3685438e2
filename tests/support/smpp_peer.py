"""The other side of an SMPP connection, octet by octet, and an adapter in this process."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress

from ringfence import EventKind
from ringfence.adapters.smpp.answers import Event
from ringfence.adapters.smpp.body import bind_body
from ringfence.adapters.smpp.desk import Desk
from ringfence.adapters.smpp.hearing import Hearing
from ringfence.adapters.smpp.pdu import BIND_TRANSCEIVER, OK, RESPONSE, Framing, Pdu, written
from ringfence.adapters.smpp.reader import SmppReader
from ringfence.adapters.smpp.smsc import Smsc
from ringfence.wording.dialled import DialPlan
from support.switch_traffic import AT, ListSink

PATIENCE_S = 30.0
NAME, PASSWORD = b"gateway", b"secret"


class SafeList(ListSink):
    """A sink whose events are safe when `safe` is set, as at first."""

    def __init__(self) -> None:
        super().__init__()
        self.safe = asyncio.Event()
        self.safe.set()
        self.has_room = True
        """For all events of what was read at once."""

    def send_all(self, events: Sequence[Event]) -> bool:
        if not self.has_room:
            return False
        for called, caller, occurred_at, kind in events:
            self.send(called, caller, occurred_at, EventKind(kind))
        return True

    async def flush(self) -> None:
        await self.safe.wait()


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = float(AT)

    def __call__(self) -> float:
        return self.now


class Gateway:
    """A connection to an SMS centre."""

    def __init__(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._stream = stream
        self.writer = writer
        self._framing = Framing()
        self._pdus: list[Pdu] = []
        self.sequence = 0

    def send(self, command: int, body: bytes = b"") -> int:
        self.sequence += 1
        self.writer.write(written(command, 0, self.sequence, body))
        return self.sequence

    async def next(self) -> Pdu | None:
        """The next PDU; None = the connection is closed."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._pdus:
                try:
                    octets = await self._stream.read(65_536)
                except ConnectionError:
                    return None
                if not octets:
                    return None
                self._pdus += self._framing.feed(octets)
        return self._pdus.pop(0)

    async def ask(self, command: int, body: bytes = b"") -> Pdu:
        """Sends a request; what comes next must be its answer."""
        sequence = self.send(command, body)
        pdu = await self.next()
        assert pdu is not None
        assert pdu.sequence == sequence, pdu
        assert pdu.command == command | RESPONSE, pdu
        return pdu

    async def bind(
        self, name: bytes = NAME, password: bytes = PASSWORD, command: int = BIND_TRANSCEIVER
    ) -> int:
        """Binds; the status."""
        return (await self.ask(command, bind_body(name, password))).status

    def close(self) -> None:
        self.writer.close()


class Centre:
    """An adapter as an SMS centre, in this process."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        window: int = 1_000,
        status: int = OK,
        accounts: dict[str, str] | None = None,
        sessions_max: int = 1,
    ) -> None:
        self.sink, self.clock, self.stopwatch = SafeList(), Clock(), Clock()
        known = accounts or {NAME.decode(): PASSWORD.decode()}
        self.hearing = Hearing(known, self.sink.lose, self.clock())
        reader = SmppReader(DialPlan.of_country(44))
        self.tally = reader.tally
        self.desk = Desk(
            *(reader, self.sink, self.hearing),
            status=status,
            window=window,
            clock=self.clock,
            stopwatch=self.stopwatch,
        )
        self.smsc = Smsc(self.desk, known, "127.0.0.1", 0, tls=tls, sessions_max=sessions_max)
        self.port = 0
        self.gateways: list[Gateway] = []

    async def gateway(self, tls: ssl.SSLContext | None = None) -> Gateway:
        made = Gateway(*await asyncio.open_connection("127.0.0.1", self.port, ssl=tls))
        self.gateways.append(made)
        return made

    async def until(self, outcome: str, count: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.tally[outcome] < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def centre(**more: object) -> AsyncIterator[Centre]:
    running = Centre(**more)  # type: ignore[arg-type]
    where = await running.smsc.open()
    running.port = int(where.rpartition(":")[2])
    await running.smsc.start()
    try:
        yield running
    finally:
        running.sink.safe.set()
        await running.smsc.close()
        for each in running.gateways:
            each.close()
            with suppress(OSError):
                await each.writer.wait_closed()


def run(test: Callable[[Centre], Coroutine[None, None, None]], **more: object) -> Centre:
    """Runs a test beside an adapter; the adapter as it was at the end."""

    async def running() -> Centre:
        async with centre(**more) as adapter:
            await test(adapter)
        return adapter

    return asyncio.run(running())


def malformed(length: int) -> bytes:
    """A header with a length of its own."""
    return struct.pack(">4I", length, 4, 0, 1)
