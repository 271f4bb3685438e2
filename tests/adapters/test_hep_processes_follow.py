"""Processes that read a HEP port, from the one behind them: one after the other in a place."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.switch_traffic import AT, ListSink, hep, sip

from ringfence import EventKind
from ringfence.adapters import hep_listener
from ringfence.adapters.agents import Agent
from ringfence.adapters.calls import Message, Sighting
from ringfence.adapters.hep_listener import DROPPED_BY_KERNEL, STALL_S
from ringfence.adapters.hep_reader import LATE_S
from ringfence.adapters.processes import listener as listener_module
from ringfence.adapters.processes.batch import LENGTH_OCTETS, Batch, of_octets, pack, unpack
from ringfence.adapters.processes.listener import HepProcesses
from ringfence.adapters.processes.outbox import REPORTS_MAX, Outbox
from ringfence.adapters.processes.settings import ReaderSettings
from ringfence.server.config.address import parse_address
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import USUAL

PATIENCE_S = 60.0


class Heard:
    """Some processes, what comes of what they read, and what is said."""

    def __init__(self, count: int, agents: tuple[Agent, ...]) -> None:
        self.sink = ListSink()
        self.said: list[str] = []
        settings = ReaderSettings(DialPlan.of_country(44), "", agents, USUAL, LATE_S)
        self.source = HepProcesses(settings, self.sink, "127.0.0.1", 0, count, say=self.said.append)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110  # what is waited for arrives from processes
                await asyncio.sleep(0.01)


@asynccontextmanager
async def heard(count: int, *agents: Agent) -> AsyncIterator[tuple[Heard, tuple[str, int]]]:
    it = Heard(count, agents)
    where = await it.source.open()
    await it.source.start()
    try:
        yield it, parse_address(where.removeprefix("listen="))
    finally:
        await it.source.close()


def test_process_that_cannot_be_started_is_tried_again_and_reads_what_has_waited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        async with heard(1) as (it, address):
            before = it.source.heard_until
            await it.until(lambda: it.source.heard_until > before)
            monkeypatch.setattr(sys, "executable", "/bin/false")
            (pid,) = it.source.process_ids
            os.kill(pid, signal.SIGKILL)
            await it.until(lambda: any("cannot start" in line for line in it.said))
            assert "cannot start a process: a process ended as it began" in it.said[1]
            held = it.source.heard_until
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.sendto(hep(sip()), address)
            monkeypatch.undo()
            await it.until(lambda: it.source.heard_until > held)
            assert len(it.sink.sent) == 1, "what has waited is read before its time is claimed"
            assert it.sink.lost
            assert it.source.tally["note_process_ended"] >= 2

    asyncio.run(run())


def test_what_the_kernel_dropped_is_counted_once_whoever_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hep_listener, "RECEIVE_BUFFER_BYTES", 4_096)

    async def run() -> None:
        async with heard(1) as (it, address):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                (pid,) = it.source.process_ids
                before = it.source.heard_until
                await it.until(lambda: it.source.heard_until > before)
                now = int(time.time())
                os.kill(pid, signal.SIGSTOP)
                for n in range(500):
                    udp.sendto(hep(sip(call_id=f"c{n}"), at=now), address)
                os.kill(pid, signal.SIGCONT)
                counted = it.source.tally
                await it.until(lambda: counted["event"] + counted[DROPPED_BY_KERNEL] == 500)
                os.kill(pid, signal.SIGKILL)
                await it.until(lambda: it.source.process_ids not in ([pid], []))
                udp.sendto(hep(sip(call_id="last"), at=now), address)
                events = len(it.sink.sent)
                await it.until(lambda: len(it.sink.sent) == events + 1)
                read_at = it.source.heard_until
                await it.until(lambda: it.source.heard_until > read_at)
            assert counted["event"] + counted[DROPPED_BY_KERNEL] == 501
            assert sum("the kernel dropped datagrams" in line for line in it.said) == 1

    asyncio.run(run())


def children() -> set[str]:
    """The processes that this one has started."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_no_process_is_left_when_the_port_is_taken() -> None:
    async def run() -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            host, port = other.getsockname()
            settings = ReaderSettings(DialPlan.of_country(44), "", (), USUAL, LATE_S)
            source = HepProcesses(settings, ListSink(), host, port, 2)
            with pytest.raises(OSError, match=f"cannot listen on {host}:{port}: "):
                await source.open()

    before = children()
    asyncio.run(run())
    assert children() == before


@pytest.mark.parametrize("over_tcp", [False, True])
def test_lost_time_begins_where_the_first_octet_of_a_part_may_have_come(over_tcp: bool) -> None:
    async def run() -> None:
        async with heard(1) as (it, address):
            before = it.source.heard_until
            with socket.socket() as tcp:
                if over_tcp:
                    tcp.connect(address)
                    tcp.send(hep(sip())[:50])
                await it.until(lambda: it.source.heard_until > before + 2)
                (pid,) = it.source.process_ids
                os.kill(pid, signal.SIGSTOP)
                await asyncio.sleep(0.3)  # what it has handed over arrives
                heard_until = it.source.heard_until
                os.kill(pid, signal.SIGKILL)
                await it.until(lambda: bool(it.sink.lost))
            ((began, ended),) = it.sink.lost
            assert began == int(heard_until - STALL_S * over_tcp) - LATE_S
            assert ended >= heard_until

    asyncio.run(run())


def test_close_does_not_wait_for_a_process_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "CLOSE_S", 0.5)

    async def run() -> None:
        async with heard(2) as (it, _):
            one, other = it.source.process_ids
            os.kill(one, signal.SIGSTOP)
            heard_until = it.source.heard_until
        ((began, ended),) = it.sink.lost
        assert began <= heard_until - LATE_S < ended
        for pid in (one, other):
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)

    asyncio.run(run())


def test_agent_that_any_process_understood_is_understood() -> None:
    async def run() -> None:
        agents = Agent.parse("2001"), Agent.parse("2002")
        async with heard(2, *agents) as (it, address):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.sendto(hep(sip(), agent=2001), address)
                await it.until(lambda: len(it.sink.sent) == 1)
            assert it.source.agents.hint().startswith("nothing was understood of --agent 2002: ")

    asyncio.run(run())


def test_caller_who_cannot_be_read_is_noted_once_a_call() -> None:
    async def run() -> Heard:
        async with heard(2) as (it, address):
            for _ in range(8):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                    udp.sendto(hep(sip(sender="<sip:")), address)
            await it.until(lambda: it.source.tally["repeat"] == 7)
        return it

    it = asyncio.run(run())
    assert it.source.tally == {
        **{"event": 1, "repeat": 7, "note_caller_unreadable": 1},
        **({"note_time_behind": 8} if it.source.tally["note_time_behind"] else {}),
    }


def seen(**fields: object) -> Sighting:
    return Sighting(447700900123, 0, AT, (b"c:call",), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sighting",
    [
        seen(),
        seen(hint=b"c:other", leg=-(2**62), request=2**62, agent=b"agent", captured_at=AT - 1),
        seen(is_message=True, message=Message(2, b"body", b"", b"dialogue")),
    ],
)
def test_report_is_unpacked_as_it_was_packed(sighting: Sighting) -> None:
    packed = pack(sighting, AT, EventKind.VIDEO, caller_unreadable=True)
    assert unpack(packed) == (sighting, AT, EventKind.VIDEO, True)


def test_long_names_are_short_and_still_differ() -> None:
    long = [b"c:" + b"x" * 60_000, b"c:" + b"x" * 60_001, b"s:" + b"x" * 60_000]
    names = set()
    for name in long:
        sighting, *_ = unpack(
            pack(Sighting(447700900123, 0, AT, (name,)), AT, EventKind.CALL, False)
        )
        names |= set(sighting.names)
    assert len(names) == 3
    assert all(len(name) <= 64 for name in names)
    assert {name[:2] for name in names} == {b"c:", b"s:"}


def batches_of(sent: list[bytes]) -> list[Batch]:
    return [of_octets(frame[LENGTH_OCTETS:]) for frame in sent]


def test_full_outbox_goes_out_and_says_that_no_more_was_heard() -> None:
    sent: list[bytes] = []
    outbox = Outbox(sent.append)
    outbox.hand_over(100.0, False)
    for _ in range(REPORTS_MAX + 1):
        assert not outbox.is_first(seen(), AT, EventKind.CALL, caller_unreadable=False)
    outbox.tally["repeat"] += REPORTS_MAX + 1
    outbox.hand_over(101.0, True)
    assert [len(batch.reports) for batch in batches_of(sent)] == [0, REPORTS_MAX, 1]
    assert [batch.heard_until for batch in batches_of(sent)] == [100.0, 100.0, 101.0]
    assert [batch.tally for batch in batches_of(sent)] == [{}, {}, {"repeat": REPORTS_MAX + 1}]


def test_outbox_of_many_names_goes_out() -> None:
    sent: list[bytes] = []
    outbox = Outbox(sent.append)
    names = tuple(b"c:%d" % n for n in range(8_000))
    for _ in range(3):
        outbox.is_first(
            Sighting(447700900123, 0, AT, names), AT, EventKind.CALL, caller_unreadable=False
        )
    assert [len(batch.reports) for batch in batches_of(sent)] == [1, 1]
