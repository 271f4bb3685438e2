"""A worker stays small whatever clients begin: who holds most is cut, others go on."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from support.raw_http2 import RawConnection, pumping
from support.server_process import (
    DEADLINE_S,
    OpenStream,
    Peer,
    ServerProcess,
    peer_of,
    serving,
    wait_until,
)

from ringfence.server.config.address import parse_address
from ringfence.server.worker.memory_guard import LAST_BYTES
from ringfence.v1 import event_service_pb2 as events

pytestmark = pytest.mark.slow

CHECK = "/ringfence.v1.NumberService/CheckNumbers"
HOLD = "/ringfence.v1.QuarantineService/HoldNumbers"
CONNECTIONS = 64
CALLS = 1_024
MESSAGE_BYTES = (4 << 20) - 1_024
FLOOD_S = 15.0
STOPPED_S = 8.0
WORKER_MAX_MIB = (LAST_BYTES >> 20) + 256
"""A worker ends by itself at the one; the rest may come between two looks."""
KEEPER_MAX_MIB = 384
NUMBER = 447700900000


def own_mib(pid: int) -> float:
    """The memory of a process that no other shares; 0 = it has just ended."""
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_bytes().split()[1:3]
    except (OSError, ValueError):
        return 0.0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGESIZE") / (1 << 20)


class Peaks:
    """The most that each role had while somebody looked."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.mib = {"worker-0": 0.0, "keeper": 0.0}
        self._done = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            for role, peak in self.mib.items():
                self.mib[role] = max(peak, own_mib(self._server.pid(role)))


def flood_of(server: ServerProcess, method: str, *, finished: bool) -> list[RawConnection]:
    """Connections with as many calls as they may have, of messages as long as they may be."""
    flood = [RawConnection(parse_address(server.address)) for _ in range(CONNECTIONS)]
    sent_bytes = MESSAGE_BYTES if finished else MESSAGE_BYTES - 1
    for connection in flood:
        for _ in range(CALLS):
            call = connection.begin_call(method)
            connection.send_message(call, MESSAGE_BYTES, sent_bytes, end=finished)
    return flood


def say(peaks: Peaks, flood: list[RawConnection]) -> None:
    sent_mib = sum(each.sent_bytes for each in flood) >> 20
    print(f"peaks={peaks.mib} MiB, cut={sum(each.ended for each in flood)}, sent={sent_mib} MiB")


def test_calls_of_4_mib_that_never_end_are_cut_and_the_streams_of_others_go_on(tmp_path):
    with (
        serving(tmp_path / "data", "--workers", "1", "--capacity", "1000") as server,
        peer_of(server) as other,
    ):
        peaks = Peaks(server)
        stream = OpenStream(other)
        assert stream.send([NUMBER]).untracked == 1
        flood = flood_of(server, CHECK, finished=False)
        until = time.monotonic() + FLOOD_S
        with peaks.watched(), pumping(flood, lambda: None):
            while time.monotonic() < until:
                assert stream.send([NUMBER]).untracked == 1
                time.sleep(0.05)
        say(peaks, flood)
        assert "connections are cut" in server.log
        assert peaks.mib["worker-0"] < WORKER_MAX_MIB
        assert server.deaths == []
        stream.close()


def test_commands_of_4_mib_leave_a_worker_and_a_stopped_keeper_small(tmp_path):
    with serving(tmp_path / "data", "--workers", "1", "--capacity", "1000") as server:
        peaks = Peaks(server)
        keeper = server.pid("keeper")
        os.kill(keeper, signal.SIGSTOP)
        flood = flood_of(server, HOLD, finished=True)
        with peaks.watched(), pumping(flood, lambda: None):
            time.sleep(STOPPED_S)
            with suppress(ProcessLookupError):  # on a busy machine it was replaced by now
                os.kill(keeper, signal.SIGCONT)
            time.sleep(FLOOD_S - STOPPED_S)
            wait_until(lambda: "connections are cut" in server.log)
        say(peaks, flood)
        assert peaks.mib["worker-0"] < WORKER_MAX_MIB
        assert peaks.mib["keeper"] < KEEPER_MAX_MIB
        wait_until(lambda: is_taken(server))


def is_taken(server: ServerProcess) -> bool:
    """Whether a batch is: the worker may be one that was just started."""
    with peer_of_one_try(server) as peer:
        try:
            request = events.RecordEventsRequest(feed="test")
            peer.events.RecordEvents(request, timeout=DEADLINE_S)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
            return False
        return True


@contextmanager
def peer_of_one_try(server: ServerProcess) -> Iterator[Peer]:
    """A connection of its own."""
    peer = Peer(server.address)
    try:
        yield peer
    finally:
        peer.channel.close()
