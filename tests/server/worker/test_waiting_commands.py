"""A keeper that is stopped, and not dead: its workers stay small, nobody waits for it for long, and
when it goes on so do commands.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from support.server_process import (
    DEADLINE_S,
    OpenStream,
    Peer,
    ServerProcess,
    has_retry_info,
    peer_of,
    reason_of,
    serving,
    wait_until,
)

from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands

pytestmark = pytest.mark.slow

LARGE = 1_500
LARGE_NUMBERS = 65_536  # 512 KiB
CONNECTIONS = 3
WAVE = 100  # that are sent at once; an answer to all but those that wait lets the next one begin
WAVE_WAITS = 64
WAVE_S = 2.0
GROWTH_MAX_MIB = 384
NUMBER = 447700900000


def memory_mib(pid: int, which: str) -> float:
    """Memory of a process: `VmRSS` now, `VmHWM` at most so far."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(lines[which].split()[0]) / 1_024


def put_pool(peer: Peer, name: str) -> commands.Pool:
    pool = commands.Pool(name=name, policy="default")
    return peer.commands.PutPool(commands.PutPoolRequest(pool=pool), timeout=DEADLINE_S)


def refusal(peer: Peer, name: str) -> grpc.RpcError:
    """Of a small command that cannot be done."""
    with pytest.raises(grpc.RpcError) as caught:
        put_pool(peer, name)
    check_refusal(caught.value)
    return caught.value


@contextmanager
def stopped_keeper(server: ServerProcess) -> Iterator[None]:
    """The keeper hangs, and nobody replaces it: the supervisor is stopped as well."""
    processes = server.pid("keeper"), server.process.pid
    for pid in reversed(processes):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def check_refusal(error: grpc.RpcError) -> None:
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    assert reason_of(error) == "KEEPER"
    assert has_retry_info(error)


def test_large_commands_that_wait_for_a_stopped_keeper_do_not_fill_a_worker(tmp_path):
    with (
        serving(tmp_path / "data", "--workers", "1", "--capacity", "1000") as server,
        peer_of(server) as peer,
    ):
        put_pool(peer, "before")
        worker = server.pid("worker-0")
        before_mib = memory_mib(worker, "VmRSS")
        request = commands.HoldNumbersRequest(numbers=[NUMBER] * LARGE_NUMBERS)
        data = request.SerializeToString()
        assert len(data) >= 512 << 10
        others = [Peer(server.address) for _ in range(CONNECTIONS)]
        with stopped_keeper(server):
            asked: list[grpc.Future] = []
            for begin in range(0, LARGE, WAVE):
                asked += [
                    others[index % CONNECTIONS]
                    .channel.unary_unary("/ringfence.v1.QuarantineService/HoldNumbers")
                    .future(data, timeout=6 * DEADLINE_S)
                    for index in range(begin, begin + WAVE)
                ]
                wait_for_answers(asked)
            errors = [call.exception() for call in asked]
        for error in errors:
            check_refusal(error)
        texts = {error.details().partition(":")[0] for error in errors}
        assert texts == {"too much waits for the keeper", "the keeper does not answer"}
        growth_mib = memory_mib(worker, "VmHWM") - before_mib
        print(f"growth={growth_mib:.0f} MiB, from {before_mib:.0f}")
        assert growth_mib < GROWTH_MAX_MIB
        wait_until(lambda: is_taken(peer))
        assert server.deaths == []
        for other in others:
            other.channel.close()


def wait_for_answers(asked: list[grpc.Future]) -> None:
    """Waits a while until all have one but some that may wait for the keeper."""
    until = time.monotonic() + WAVE_S
    while time.monotonic() < until and sum(not call.done() for call in asked) > WAVE_WAITS:
        time.sleep(0.01)


def is_taken(peer: Peer) -> bool:
    """Whether commands are taken again."""
    try:
        return bool(put_pool(peer, "again").revision)
    except grpc.RpcError as error:
        check_refusal(error)
        return False


def test_nobody_waits_for_a_keeper_that_hangs_and_all_goes_on_with_it(own_server):
    with peer_of(own_server) as peer:
        put_pool(peer, "before")
        keeper = own_server.pid("keeper")
        stream = OpenStream(peer)
        with stopped_keeper(own_server):
            assert "the keeper does not answer" in refusal(peer, "first").details()
            began = time.process_time(), time.monotonic()
            for name in ("second", "third", "fourth", "fifth"):
                assert "the keeper does not answer" in refusal(peer, name).details()
            assert peer.worker() in (0, 1)
            assert stream.send([NUMBER]).untracked == 1
            watching = peer.numbers.WatchNumbers(numbers.WatchNumbersRequest())
            with pytest.raises(grpc.RpcError) as caught:
                list(watching)  # a message without changes is first
            check_refusal(caught.value)
            print(f"refused in {time.monotonic() - began[1]:.3f} s")
        stream.close()
        wait_until(lambda: is_taken(peer))
        assert own_server.pid("keeper") == keeper
