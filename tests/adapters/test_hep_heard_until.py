"""Nothing is claimed of a time whose datagrams may lie in a socket, or in which none listened."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from support.switch_traffic import AT, ListSink, hep, sip

from ringfence import EventKind
from ringfence.adapters import hep_listener
from ringfence.adapters.hep_listener import HepListener
from ringfence.adapters.hep_reader import LATE_S, HepReader
from ringfence.server.config.address import parse_address
from ringfence.wording.dialled import DialPlan

PATIENCE_S = 20.0
STOPPED_S = 60


class Stopped:
    """A listener of which `now` is the time; nothing of it runs before something is awaited."""

    def __init__(self, sink: ListSink) -> None:
        self.now = float(AT)
        self.sink = sink
        reader = HepReader(DialPlan.of_country(44))
        self.listener = HepListener(reader, sink, "127.0.0.1", 0, clock=lambda: self.now)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110  # what is waited for arrives by socket
                await asyncio.sleep(0.002)


@asynccontextmanager
async def stopped(sink: ListSink) -> AsyncIterator[Stopped]:
    it = Stopped(sink)
    where = await it.listener.open()
    await it.listener.start()
    it.udp.connect(parse_address(where.removeprefix("listen=")))
    try:
        yield it
    finally:
        it.udp.close()
        await it.listener.close()


@pytest.mark.parametrize("over", ["udp", "tcp", "tcp, not accepted"])
def test_what_came_while_the_process_was_stopped_is_read_before_it_is_claimed(over: str) -> None:
    async def run() -> None:
        async with stopped(ListSink()) as it:
            tcp = socket.socket()
            if over != "tcp, not accepted":
                tcp.connect(it.udp.getpeername())
                tcp.send(hep(sip(call_id="first")))
                await it.until(lambda: len(it.sink.sent) == 1)
            read = len(it.sink.sent)
            if over == "tcp, not accepted":
                tcp.connect(it.udp.getpeername())
            (it.udp if over == "udp" else tcp).send(hep(sip()))
            it.now += STOPPED_S
            assert it.listener.heard_until <= AT
            await it.until(lambda: it.listener.heard_until > AT)
            assert len(it.sink.sent) == read + 1
            await it.until(lambda: it.listener.heard_until == AT + STOPPED_S)
            tcp.close()

    asyncio.run(run())


def test_what_the_kernel_dropped_meanwhile_is_lost_before_it_is_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hep_listener, "RECEIVE_BUFFER_BYTES", 4_096)

    async def run() -> None:
        async with stopped(ListSink()) as it:
            for n in range(500):
                it.udp.send(hep(sip(call_id=f"c{n}")))
            it.now += STOPPED_S
            assert it.listener.heard_until <= AT
            await it.until(lambda: it.listener.heard_until > AT)
            assert it.sink.lost == [(AT - LATE_S, AT + STOPPED_S + 1)]

    asyncio.run(run())


class FullSink(ListSink):
    """Has no room until it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.room = asyncio.Event()

    async def send_wait(self, called: int, caller: int, occurred_at: int, kind: EventKind) -> None:
        await self.room.wait()
        self.send(called, caller, occurred_at, kind)


def test_connection_that_waits_for_room_holds_the_claims() -> None:
    async def run() -> None:
        sink = FullSink()
        async with stopped(sink) as it:
            with socket.create_connection(it.udp.getpeername()) as tcp:
                tcp.send(hep(sip()))
                await it.until(lambda: it.listener.tally["event"] == 1)
                it.now += STOPPED_S
                it.udp.send(hep(sip("OPTIONS")))
                await it.until(lambda: it.listener.tally["other_method"] == 1)
                await asyncio.sleep(2 * hep_listener.ROUND_S * hep_listener.ROUNDS)
                assert it.listener.heard_until == AT
                sink.room.set()
                await it.until(lambda: it.listener.heard_until == AT + STOPPED_S)

    asyncio.run(run())


def test_nothing_is_heard_after_the_end() -> None:
    async def run() -> float:
        async with stopped(ListSink()) as it:
            await it.until(lambda: it.listener.heard_until == AT)
        it.now += STOPPED_S
        return it.listener.heard_until

    assert asyncio.run(run()) == AT
