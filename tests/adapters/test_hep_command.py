"""`ringfence adapter hep` as a process, between real HEP3 traffic and a real server."""

import csv
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hep_adapter import PATIENCE_S, adapter, command
from support.places import DATA
from support.server_process import Peer, ServerProcess
from support.switch_traffic import hep, sip

from ringfence import demo
from ringfence.demo.capture import ending_at, shipped_capture
from ringfence.v1 import number_service_pb2 as numbers

pytestmark = pytest.mark.slow

CAPTURE = Path(demo.__file__).with_name("hep_capture.bin")
TRUTH = DATA / "switch" / "hep_capture_expected.csv"
ALL = list(range(447700900000, 447700901000))
DAY_S = 86_400


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def quarantine_all(peer: Peer) -> None:
    """All numbers, since yesterday: the capture is moved to now, whenever it was recorded."""
    since = int(time.time()) - DAY_S
    answer = peer.quarantine(ALL, quarantined_at=[since], observed_since=[since])
    assert answer.accepted == len(ALL)


def events_of(peer: Peer) -> dict[int, int]:
    totals = {}
    for number in ALL:
        answer = peer.numbers.GetNumber(numbers.GetNumberRequest(number=number), timeout=10)
        if answer.events_total:
            totals[number] = answer.events_total
    return totals


def truth() -> Counter[int]:
    with TRUTH.open(newline="") as file:
        return Counter(int(row["called_e164"]) for row in csv.DictReader(file))


@pytest.fixture
def own_peer(own_server: ServerProcess) -> Iterator[Peer]:
    peer = Peer(own_server.address)
    quarantine_all(peer)
    yield peer
    peer.channel.close()


def assert_no_caller(*texts: str) -> None:
    with TRUTH.open(newline="") as file:
        callers = {row["caller_e164"] for row in csv.DictReader(file)} - {""}
    for text in texts:
        assert not [caller for caller in callers if caller in text]
        assert "BANKNAME" not in text.upper()


def test_replay_ends_when_every_event_of_the_capture_is_answered(
    own_server: ServerProcess, own_peer: Peer
) -> None:
    to = ("--server", own_server.address, "--feed", "sip-1", "--country", "44")
    done = run(*to, "--replay", str(CAPTURE), "--shift-to-now")
    assert done.returncode == 0, done.stderr
    assert "read event=600 other_method=560 repeat=160 reply=690" in done.stderr
    assert "sent accepted=600 untracked=0 rejected=0 dropped=0 late=0 refused=0" in done.stderr
    assert_no_caller(done.stdout, done.stderr)
    assert events_of(own_peer) == truth()
    last = max(
        own_peer.numbers.GetNumber(numbers.GetNumberRequest(number=number)).last_event_at.seconds
        for number in truth()
    )
    assert abs(last - time.time()) < PATIENCE_S


def test_live_traffic_over_udp_and_tcp_is_counted_once(
    own_server: ServerProcess, own_peer: Peer
) -> None:
    datagrams = ending_at(shipped_capture(), int(time.time()))
    with adapter(own_server.address) as running:
        assert running.ready_line.startswith("ringfence adapter hep ready listen=127.0.0.1:")
        with socket.create_connection(running.address) as stream:
            stream.sendall(b"".join(datagrams))
            stream.shutdown(socket.SHUT_WR)
            stream.settimeout(PATIENCE_S)
            assert stream.recv(1) == b"", "it closes when it has read everything"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            for datagram in datagrams:
                udp.sendto(datagram, running.address)
        code, said = running.stop()
    assert code == 0, said
    assert "read event=600 other_method=1120 repeat=920 reply=1380" in said
    assert events_of(own_peer) == truth()
    assert_no_caller(running.ready_line, said)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_read_reaches_the_server_before_the_end(
    own_server: ServerProcess, own_peer: Peer, number: int
) -> None:
    with adapter(own_server.address) as running:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(hep(sip(), at=int(time.time())), running.address)
        code, said = running.stop(number)
    assert code == 0, said
    assert events_of(own_peer) == {447700900123: 1}


def test_server_that_cannot_be_reached_ends_a_replay_with_3() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        to = ("--server", address, "--feed", "sip-1", "--country", "44", "--timeout", "0.5")
        done = run(*to, "--replay", str(CAPTURE))
    assert done.returncode == 3, done.stderr
    assert f"{address}: no answer for 0.5 s: events not answered: 600" in done.stderr
    assert_no_caller(done.stdout, done.stderr)


def test_what_was_read_and_cannot_be_sent_ends_with_3() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{nobody.getsockname()[1]}"
        with adapter(server, "--timeout", "0.5") as running:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.sendto(hep(sip()), running.address)
            code, said = running.stop()
    assert code == 3, said
    assert "no answer for 0.5 s: events not answered: 1" in said
    assert "441632960321" not in said


def test_broken_capture_ends_with_4_after_what_could_be_read(
    own_server: ServerProcess, own_peer: Peer, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.bin"
    cut.write_bytes(CAPTURE.read_bytes()[:-1])
    done = run(
        *("--server", own_server.address, "--feed", "sip-1", "--country", "44"),
        *("--replay", str(cut), "--shift-to-now"),
    )
    assert done.returncode == 4, done.stderr
    assert "capture ends inside a record: at_byte=" in done.stderr
    assert sum(events_of(own_peer).values()) >= 599


def test_address_in_use_ends_with_4() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run("--listen", f"127.0.0.1:{port}", "--feed", "sip-1", "--country", "44")
    assert done.returncode == 4, done.stderr
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--feed", "sip-1"), "--country"),
        (("--country", "44"), "--feed"),
        (("--feed", "SIP 1", "--country", "44"), "bad feed name"),
        (("--feed", "sip-1", "--country", "999"), "not a country: 999, allowed: a calling code"),
        (("--feed", "sip-1", "--country", "44", "--listen", "9060"), "HOST:PORT"),
        (("--feed", "sip-1", "--country", "44", "--shift-to-now"), "goes with --replay"),
        (("--feed", "sip-1", "--country", "44", "--replay", "/nonexistent"), "does not exist"),
    ],
)
def test_wrong_usage_ends_with_2(options: tuple[str, ...], says: str) -> None:
    done = run(*options)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr


def test_key_may_come_from_the_environment(own_server: ServerProcess, own_peer: Peer) -> None:
    os.environ["RINGFENCE_HEP_AUTH_KEY"] = "s3cr3t-hep-key"
    try:
        done = run(
            *("--server", own_server.address, "--feed", "sip-1", "--country", "44"),
            *("--replay", str(CAPTURE), "--shift-to-now"),
        )
    finally:
        del os.environ["RINGFENCE_HEP_AUTH_KEY"]
    assert done.returncode == 0, done.stderr
    assert "read event=20 hep_auth_key=1950 other_method=20 reply=20" in done.stderr
    assert "s3cr3t" not in done.stderr
