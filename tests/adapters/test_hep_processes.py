"""`ringfence adapter hep --processes N`: whoever of them hears a call, it is one event."""

import ctypes
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hep_adapter import PATIENCE_S, Adapter, adapter, command
from support.server_process import Peer, ServerProcess, is_alive, peer_of, wait_until
from support.switch_traffic import hep, sip
from support.told_claims import gaps_of, put_feed, status_of

from ringfence.adapters.hep_reader import LATE_S
from ringfence.v1 import number_service_pb2 as numbers

pytestmark = pytest.mark.slow

FEED = "sip-1"
ALL = list(range(447700900000, 447700901000))
CALLED = 447700900123
CALLER = 441632960320
PR_SET_CHILD_SUBREAPER = 36
PORTS = 40
"""So many senders that each of two or three processes hears some: the chance of none is below
1 in 10**6."""


@pytest.fixture
def peer(own_server: ServerProcess) -> Iterator[Peer]:
    with peer_of(own_server) as connected:
        put_feed(connected, FEED, silence_max={"seconds": 86_400})
        since = int(time.time()) - 86_400
        connected.quarantine(ALL, quarantined_at=[since], observed_since=[since])
        yield connected


@pytest.fixture
def senders() -> Iterator[list[socket.socket]]:
    each = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(PORTS)]
    yield each
    for udp in each:
        udp.close()


def events_of(peer: Peer) -> dict[int, int]:
    totals = {}
    for number in ALL:
        answer = peer.numbers.GetNumber(numbers.GetNumberRequest(number=number), timeout=10)
        if answer.events_total:
            totals[number] = answer.events_total
    return totals


def events_total(peer: Peer) -> int:
    answer = peer.numbers.GetNumber(numbers.GetNumberRequest(number=CALLED), timeout=10)
    return answer.events_total


def readers_of(running: Adapter) -> list[int]:
    """The processes that read for it."""
    pid = running.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children]


class Switches:
    """Calls that come in now, each reported from another port."""

    def __init__(self, running: Adapter, senders: list[socket.socket]) -> None:
        self._running = running
        self._senders = senders
        self.calls = 0

    def report(self) -> None:
        """One call on each port."""
        for udp in self._senders:
            self.calls += 1
            frame = hep(sip(call_id=f"c{self.calls}@caller.example"), at=int(time.time()))
            udp.sendto(frame, self._running.address)

    def claimed_until(self, peer: Peer, at: float) -> bool:
        """Whether claims have gone on to there; lets them go on."""
        self.report()
        time.sleep(0.1)
        return bool(status_of(peer, FEED).watermark.seconds >= at)


def reports_of(number: int) -> list[bytes]:
    """What agents say, in any order, of four calls and a message to this number, of one moment."""
    now = int(time.time())

    def report(
        call: str, caller: int, *, method: str = "INVITE", tag: str = "t1", host: str = "edge"
    ) -> bytes:
        session = f"Session-ID: {number:032x}\r\n" if call.startswith("named") else ""
        return hep(
            sip(
                method,
                uri=f"sip:+{number}@{host}.example;user=phone",
                sender=f"<sip:+{CALLER + caller}@caller.example>;tag={tag}",
                call_id=f"{call}-{number}",
                more=session,
                body="hello" if method == "MESSAGE" else "",
            ),
            at=now,
        )

    return [
        *(report("named", 1) for _ in range(3)),
        report("named", 1, tag="t2"),
        report("named-leg", 1, host="core"),
        *(report("nameless", 2) for _ in range(2)),
        report("another-leg", 2, host="carrier"),
        *(report("first-try", 3) for _ in range(2)),
        *(report("second-try-the-same-way", 3) for _ in range(2)),
        *(report("text", 4, method="MESSAGE") for _ in range(2)),
        report("nothing", 5, method="OPTIONS"),
    ]


EVENTS, REPEATS = 5, 9


@pytest.mark.parametrize("processes", ["1", "3"])
def test_what_agents_report_on_many_ports_is_the_same_events_for_any_number_of_processes(
    processes: str, own_server: ServerProcess, peer: Peer, senders: list[socket.socket]
) -> None:
    called = ALL[:200]
    chance = random.Random(7)
    with adapter(own_server.address, "--processes", processes) as running:
        streams = [socket.create_connection(running.address) for _ in range(8)]
        for number in called:
            for report in chance.sample(each := reports_of(number), len(each)):
                if chance.random() < 0.5:
                    chance.choice(senders).sendto(report, running.address)
                else:
                    chance.choice(streams).sendall(report)
        for stream in streams:
            stream.shutdown(socket.SHUT_WR)
            stream.settimeout(PATIENCE_S)
            assert stream.recv(1) == b"", "it closes when it has read everything"
            stream.close()
        code, said = running.stop()
    assert code == 0, said
    assert events_of(peer) == dict.fromkeys(called, EVENTS)
    counts = f"event={EVENTS * len(called)} other_method={len(called)}"
    assert f"read {counts} repeat={REPEATS * len(called)}" in said


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_process_that_ends_or_hangs_leaves_a_gap_and_is_replaced(
    how: signal.Signals, own_server: ServerProcess, peer: Peer, senders: list[socket.socket]
) -> None:
    with adapter(own_server.address, "--processes", "2", "--lateness", "0") as running:
        switches = Switches(running, senders)
        began = time.time()
        wait_until(lambda: switches.claimed_until(peer, began + 2))
        assert gaps_of(peer, FEED) == []
        one, other = readers_of(running)
        os.kill(one, how)
        hurt = time.time()

        def goes_on_unclaimed() -> bool:
            switches.report()
            time.sleep(0.1)
            assert status_of(peer, FEED).watermark.seconds <= hurt + 1
            return not is_alive(one)

        wait_until(goes_on_unclaimed)
        gone = time.time()
        wait_until(lambda: switches.claimed_until(peer, gone + 3))
        assert len(readers_of(running)) == 2
        assert other in readers_of(running)
        before = events_total(peer)
        for _ in range(5):
            switches.report()
        wait_until(lambda: events_total(peer) >= before + 5 * PORTS)
        code, said = running.stop()
    assert code == 0, said
    ((lost_from, lost_until),) = gaps_of(peer, FEED)
    assert lost_from <= hurt
    assert gone - 1 <= lost_until <= gone + 3
    assert f"process {one} has ended: signal=9; what it had not handed over is not claimed" in said
    assert "note_process_ended=1" in said
    assert (f"process {one} says nothing: limit=10 s" in said) == (how == signal.SIGSTOP)
    assert "note_udp_dropped_by_kernel" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_any_process_has_read_reaches_the_server_before_the_end(
    number: signal.Signals, own_server: ServerProcess, peer: Peer, senders: list[socket.socket]
) -> None:
    with adapter(own_server.address, "--processes", "2") as running:
        switches = Switches(running, senders)
        children = readers_of(running)
        switches.report()
        for child in children:
            os.kill(child, number)  # as a terminal or a supervisor does
        code, said = running.stop(number)
    assert code == 0, said
    assert events_total(peer) == switches.calls == PORTS
    assert "process" not in said
    assert not any(map(is_alive, children))


def test_what_comes_while_the_one_behind_is_stopped_waits_and_is_read_or_counted(
    own_server: ServerProcess, peer: Peer, senders: list[socket.socket]
) -> None:
    with adapter(own_server.address, "--processes", "2", "--lateness", "0") as running:
        switches = Switches(running, senders)
        began = time.time()
        wait_until(lambda: switches.claimed_until(peer, began + LATE_S + 2))
        os.kill(running.process.pid, signal.SIGSTOP)
        most = switches.calls + 20_000
        while switches.calls < most:  # more than pipes and sockets hold
            switches.report()
        os.kill(running.process.pid, signal.SIGCONT)
        sent_at = time.time()
        wait_until(lambda: switches.claimed_until(peer, sent_at))
        code, said = running.stop()
    assert code == 0, said
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", said)}
    dropped = counts.get("note_udp_dropped_by_kernel", 0)
    assert counts["event"] + dropped == switches.calls
    assert counts["accepted"] == counts["event"]
    assert bool(gaps_of(peer, FEED)) == bool(dropped)
    assert said.count("the kernel dropped datagrams") == bool(dropped)


@pytest.fixture
def stepparent() -> Iterator[None]:
    """Processes whose parent is gone come to this one. Of others the kernel would say that nobody
    is there to continue them, and continue those that are stopped.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.mark.usefixtures("stepparent", "peer")
def test_processes_end_with_the_one_behind_them_be_they_stopped(own_server: ServerProcess) -> None:
    with adapter(own_server.address, "--processes", "2") as running:
        children = readers_of(running)
        assert len(children) == 2
        os.kill(children[0], signal.SIGSTOP)
        running.process.kill()
        running.process.wait()
        try:
            wait_until(lambda: not any(map(is_alive, children)))
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def test_what_was_read_and_cannot_be_sent_ends_with_3(senders: list[socket.socket]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{nobody.getsockname()[1]}"
        with adapter(server, "--processes", "2", "--timeout", "0.5") as running:
            Switches(running, senders).report()
            code, said = running.stop()
    assert code == 3
    assert f"{server}: no answer for 0.5 s: events not answered: {PORTS}" in said


def test_port_of_another_adapter_is_not_shared(own_server: ServerProcess, peer: Peer) -> None:
    with adapter(own_server.address, "--processes", "2") as running:
        host, port = running.address
        for processes in ("1", "2"):
            again = subprocess.run(
                command(
                    *("--listen", f"{host}:{port}", "--server", own_server.address),
                    *("--feed", FEED, "--country", "44", "--processes", processes),
                ),
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert again.returncode == 4, again.stderr
            assert f"cannot listen on {host}:{port}: Address already in use" in again.stderr


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--processes", "0"), "0 is not in the range 1<=x<=64"),
        (("--processes", "65"), "65 is not in the range 1<=x<=64"),
        (("--processes", "two"), "'two' is not a valid integer"),
        (("--processes", "2", "--replay", __file__), "--processes goes without --replay"),
    ],
)
def test_number_of_processes_that_cannot_be_ends_with_2(
    options: tuple[str, ...], error: str
) -> None:
    done = subprocess.run(
        command("--server", "127.0.0.1:1", "--feed", FEED, "--country", "44", *options),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert error in done.stderr
