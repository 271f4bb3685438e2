"""HEP3 over real sockets: UDP and TCP on one port, with bounds on what a sender can do."""

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
from ringfence.adapters.sip_pieces import WAIT_S
from ringfence.server.config.address import parse_address
from ringfence.wording.dialled import DialPlan

PATIENCE_S = 20.0
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Listening:
    """A listener and how to talk to it."""

    def __init__(self, listener: HepListener, sink: ListSink, address: tuple[str, int]) -> None:
        self.listener = listener
        self.sink = sink
        self.address = address
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.udp = socket.socket(family, socket.SOCK_DGRAM)
        self.udp.connect(address)

    async def connect(self) -> Connection:
        return await asyncio.open_connection(*self.address)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110  # what is waited for arrives by socket
                await asyncio.sleep(0.002)

    @property
    def tally(self) -> dict[str, int]:
        return dict(self.listener.tally)


@asynccontextmanager
async def listening(
    sink: ListSink | None = None,
    host: str = "127.0.0.1",
    said: list[str] | None = None,
    lateness_s: int = 0,
) -> AsyncIterator[Listening]:
    sink = sink or ListSink()
    reader = HepReader(DialPlan.of_country(44), lateness_s=lateness_s)
    say = ([] if said is None else said).append
    listener = HepListener(reader, sink, host, 0, say=say, clock=lambda: AT + 9.5)
    where = await listener.open()
    await listener.start()
    running = Listening(listener, sink, parse_address(where.removeprefix("listen=")))
    try:
        yield running
    finally:
        running.udp.close()
        await listener.close()


def call(n: int) -> bytes:
    return hep(sip(call_id=f"c{n}"))


async def closed(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        try:
            return await reader.read()
        except ConnectionResetError:  # closed while something lay there unread
            return b""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_udp_and_tcp_on_one_port_are_one_feed(host: str) -> None:
    async def run() -> None:
        async with listening(host=host) as to:
            to.udp.send(call(1))
            await to.until(lambda: len(to.sink.sent) == 1)
            reader, writer = await to.connect()
            writer.write(call(1) + call(2))
            writer.write_eof()
            assert await closed(reader) == b""
            writer.close()
            assert to.tally == {"event": 2, "repeat": 1}
        assert to.sink.sent == [(447700900123, 441632960321, AT, EventKind.CALL)] * 2
        assert to.sink.lost == []

    asyncio.run(run())


def test_what_the_kernel_holds_at_the_end_is_still_read() -> None:
    async def run() -> None:
        async with listening() as to:
            for n in range(700):  # more than one burst, and the loop has not run in between
                to.udp.send(call(n))
        assert to.tally == {"event": 700}

    asyncio.run(run())


@pytest.mark.parametrize("over", ["udp", "tcp"])
def test_a_call_that_cannot_be_read_takes_its_time_out_of_the_claims(over: str) -> None:
    async def run() -> None:
        async with listening() as to:
            if over == "udp":
                to.udp.send(hep(sip()[:90]))
            else:
                _, writer = await to.connect()
                writer.write(hep(sip()[:90]))
                writer.close()
            await to.until(lambda: "sip_truncated" in to.tally)
            await to.until(lambda: bool(to.sink.lost))
            assert to.sink.lost == [(AT, AT + 10)]

    asyncio.run(run())


def test_pieces_of_a_switchs_stream_are_one_call_or_lost_time() -> None:
    async def run() -> None:
        sink = ListSink()
        async with listening(sink) as to:
            for piece in (sip()[:90], sip()[90:], sip()[:90]):
                to.udp.send(hep(piece, transport=6))
            await to.until(lambda: to.tally.get("sip_piece", 0) == 2)
            assert (len(sink.sent), sink.lost) == (1, []), "the third still waits"
        assert (len(sink.sent), sink.lost) == (1, [(AT, AT + 10)])

    asyncio.run(run())


def test_piece_that_waited_too_long_is_lost_time() -> None:
    async def run() -> None:
        now = AT
        sink = ListSink()
        reader = HepReader(DialPlan.of_country(44))
        listener = HepListener(reader, sink, "127.0.0.1", 0, clock=lambda: now)
        await listener.open()
        await listener.start()
        reader.read(hep(sip()[:90], transport=6), AT)
        listener.look()
        assert (sink.lost, reader.waits_since) == ([], AT)
        now = AT + WAIT_S
        listener.look()
        assert (sink.lost, reader.waits_since) == ([(AT - LATE_S, AT + 1)], None)
        await listener.close()

    asyncio.run(run())


def test_connection_that_is_open_at_the_end_has_been_read() -> None:
    async def run() -> None:
        async with listening() as to:
            _, writer = await to.connect()
            writer.write(call(1) + call(2)[:20])
            await to.until(lambda: len(to.sink.sent) == 1)
        writer.close()
        assert to.tally == {"event": 1, "note_tcp_cut": 1}

    asyncio.run(run())


def test_framing_error_closes_its_connection_only() -> None:
    async def run() -> None:
        async with listening() as to:
            _, other = await to.connect()
            reader, writer = await to.connect()
            writer.write(call(1) + b"GET / HTTP/1.1\r\n\r\n")
            assert await closed(reader) == b""
            writer.close()
            other.write(call(2))
            await to.until(lambda: len(to.sink.sent) == 2)
            assert to.tally == {"event": 2, "hep_magic": 1}
            assert to.sink.lost, "what followed is lost, so it must not be claimed"
            other.close()

    asyncio.run(run())


def test_message_that_does_not_complete_in_time_closes_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hep_listener, "STALL_S", 0.05)

    async def run() -> None:
        async with listening() as to:
            reader, writer = await to.connect()
            writer.write(call(1) + call(2)[:7])
            # One octet now and then does not buy more time.
            drip = asyncio.create_task(_drip(writer))
            assert await closed(reader) == b""
            drip.cancel()
            writer.close()
            assert to.tally == {"event": 1, "note_tcp_stalled": 1}

    asyncio.run(run())


async def _drip(writer: asyncio.StreamWriter) -> None:
    for octet in call(2)[7:]:
        writer.write(bytes((octet,)))
        await asyncio.sleep(0.02)


def test_connection_idle_longest_makes_room_for_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hep_listener, "CONNECTIONS_MAX", 2)

    async def run() -> None:
        async with listening() as to:
            kept = [await to.connect() for _ in range(2)]
            for n in (1, 0):  # the second is idle longer
                kept[n][1].write(call(n))
                await to.until(lambda n=n: len(to.sink.sent) == 2 - n)  # type: ignore[misc]
            _, late = await to.connect()
            assert await closed(kept[1][0]) == b""
            kept[0][1].write(call(2))
            late.write(call(3))
            await to.until(lambda: len(to.sink.sent) == 4)
            assert to.tally == {"event": 4, "note_tcp_closed_idle": 1}
            assert to.sink.lost == [(AT + 9 - LATE_S, AT + 10)]
            for writer in (late, kept[0][1], kept[1][1]):
                writer.close()

    asyncio.run(run())


def test_connection_that_has_sent_nothing_makes_room_before_an_agents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hep_listener, "CONNECTIONS_MAX", 2)

    async def run() -> None:
        async with listening() as to:
            _, agent = await to.connect()
            agent.write(call(1))
            await to.until(lambda: len(to.sink.sent) == 1)
            scanner, scanning = await to.connect()
            _, late = await to.connect()
            assert await closed(scanner) == b""
            agent.write(call(2))
            late.write(call(3))
            await to.until(lambda: len(to.sink.sent) == 3)
            for writer in (agent, scanning, late):
                writer.close()

    asyncio.run(run())


def test_connection_closed_for_room_inside_a_message_takes_its_time_out_of_the_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hep_listener, "CONNECTIONS_MAX", 1)

    async def run() -> None:
        async with listening() as to:
            reader, writer = await to.connect()
            writer.write(call(1) + call(2)[:20])
            await to.until(lambda: len(to.sink.sent) == 1)
            _, late = await to.connect()
            assert await closed(reader) == b""
            await to.until(lambda: "note_tcp_cut" in to.tally)
            assert to.tally == {"event": 1, "note_tcp_closed_idle": 1, "note_tcp_cut": 1}
            assert (AT + 9 - int(hep_listener.STALL_S) - LATE_S, AT + 10) in to.sink.lost
            late.close()
            writer.close()

    asyncio.run(run())


class FullSink(ListSink):
    """Has no room until it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.room = asyncio.Event()

    def send(self, called: int, caller: int, occurred_at: int, kind: EventKind) -> bool:
        return self.room.is_set() and super().send(called, caller, occurred_at, kind)

    async def send_wait(self, called: int, caller: int, occurred_at: int, kind: EventKind) -> None:
        await self.room.wait()
        self.send(called, caller, occurred_at, kind)


def test_udp_drops_and_counts_while_tcp_waits_for_room() -> None:
    async def run() -> None:
        sink = FullSink()
        async with listening(sink) as to:
            reader, writer = await to.connect()
            writer.write(call(1) + call(2))
            writer.write_eof()
            to.udp.send(call(3))
            await to.until(lambda: to.tally.get("note_dropped_no_room") == 1)
            assert sink.sent == []
            sink.room.set()
            await closed(reader)
            writer.close()
            assert len(sink.sent) == 2

    asyncio.run(run())


def test_connection_is_refused_and_not_claimed_when_all_others_are_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hep_listener, "CONNECTIONS_MAX", 1)

    async def run() -> None:
        sink = FullSink()
        async with listening(sink) as to:
            reader, writer = await to.connect()
            writer.write(call(1))
            writer.write_eof()
            await to.until(lambda: to.tally.get("event") == 1)
            refused, late = await to.connect()
            assert await closed(refused) == b""
            late.close()
            assert to.tally == {"event": 1, "note_tcp_refused": 1}
            assert sink.lost == [(AT + 9 - LATE_S, AT + 10)]
            sink.room.set()
            await closed(reader)
            writer.close()
            assert len(sink.sent) == 1

    asyncio.run(run())


def test_attempt_given_up_at_the_end_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hep_listener, "CLOSE_S", 0.05)

    async def run() -> None:
        async with listening(FullSink()) as to:
            _, writer = await to.connect()
            writer.write(call(1))
            await to.until(lambda: to.tally.get("event") == 1)
        writer.close()
        assert to.sink.lost == [(AT, AT + 10)]

    asyncio.run(run())


def test_what_the_kernel_drops_is_counted_and_not_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hep_listener, "RECEIVE_BUFFER_BYTES", 4_096)

    said: list[str] = []

    async def run() -> None:
        async with listening(said=said) as to:
            to.listener.look()
            assert to.sink.lost == []
            for n in range(500):
                to.udp.send(call(n))
            await to.until(lambda: bool(to.sink.sent))
            to.listener.look()
            dropped = to.tally["note_udp_dropped_by_kernel"]
            await to.until(lambda: to.tally["event"] == 500 - dropped)
            assert dropped > 0
            assert to.sink.lost == [(AT + 9 - LATE_S, AT + 10)]
            to.listener.look()
            assert len(to.sink.lost) == 1
            before = to.tally["event"]
            for n in range(500, 1_000):
                to.udp.send(call(n))
            await to.until(lambda: to.tally["event"] > before)
            to.listener.look()
            assert len(to.sink.lost) == 2

    asyncio.run(run())
    (once,) = said
    assert "holds 4,096 octets of them at most, where 4,096 are asked for" in once


def test_what_may_be_late_was_perhaps_of_some_time_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hep_listener, "RECEIVE_BUFFER_BYTES", 4_096)

    async def run() -> None:
        async with listening(lateness_s=60) as to:
            to.udp.send(b"HEP3 and no more that can be read")
            await to.until(lambda: len(to.sink.lost) == 1)
            for n in range(500):
                to.udp.send(call(n))
            await to.until(lambda: bool(to.sink.sent))
            to.listener.look()
            _, writer = await to.connect()
            writer.write(call(1)[:20])
            writer.close()
            await to.until(lambda: "note_tcp_cut" in to.tally)
            begins = [AT + 9 - 60, AT + 9 - 60, AT + 9 - 60 - int(hep_listener.STALL_S)]
            assert to.sink.lost == [(begin, AT + 10) for begin in begins]

    asyncio.run(run())


class BrokenSink(ListSink):
    """Fails as nothing should."""

    def send(self, called: int, caller: int, occurred_at: int, kind: EventKind) -> bool:
        raise RuntimeError("broken")


@pytest.mark.parametrize("over", ["udp", "tcp"])
def test_failure_of_the_sink_ends_the_listening(over: str) -> None:
    async def run() -> None:
        async with listening(BrokenSink()) as to:
            if over == "udp":
                to.udp.send(call(1))
            else:
                _, writer = await to.connect()
                writer.write(call(1))
                writer.close()
            async with asyncio.timeout(PATIENCE_S):
                await to.listener.failed()

    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(run())


def test_address_in_use_is_an_error_that_leaves_nothing_open() -> None:
    async def run() -> None:
        async with listening() as to:
            host, port = to.address
            second = HepListener(HepReader(DialPlan.of_country(44)), ListSink(), host, port)
            says = rf"^cannot listen on 127\.0\.0\.1:{port}: Address already in use$"
            with pytest.raises(OSError, match=says):
                await second.open()

    asyncio.run(run())
