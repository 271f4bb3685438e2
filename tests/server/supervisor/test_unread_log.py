"""A server whose log is a full pipe that nobody reads does all that it does otherwise."""

import fcntl
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from support.nursery import BornProcess
from support.server_process import PATIENCE_S, Peer, is_alive, wait_until

pytestmark = pytest.mark.slow

SMALL = 4_096
NUMBER = 447700900001


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe without room."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALL)
    os.write(writing, bytes(SMALL))
    yield reading, writing
    os.close(reading)
    os.close(writing)


def served_on_full_pipe(data: Path, writing: int) -> BornProcess:
    serve = ("serve", "--data", str(data), "--listen", "127.0.0.1:0", "--workers", "1")
    with open(writing, "wb", closefd=False) as log:
        return BornProcess([*serve, "--capacity", "1000"], log)


def line_of(server: BornProcess) -> str:
    assert select.select([server.stdout], [], [], PATIENCE_S)[0], "it hangs"
    return server.stdout.readline()


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def worker_of(server: BornProcess, port: int) -> int:
    """The child that listens on the port."""
    listening = {
        fields[9]
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path("/proc/net", table).read_text().splitlines()[1:])
        if int(fields[1].split(":")[1], 16) == port and fields[3] == "0A"
    }
    for pid in children(server.pid):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            if any(os.readlink(file) == f"socket:[{inode}]" for inode in listening):
                return pid
    raise AssertionError("nobody listens")


def test_server_whose_log_nobody_reads_answers_replaces_and_stops(
    tmp_path: Path, full_pipe: tuple[int, int]
) -> None:
    reading, writing = full_pipe
    server = served_on_full_pipe(tmp_path / "data", writing)
    try:
        address = line_of(server).split()[2]
        peer = Peer(address)
        assert peer.quarantine([NUMBER]).accepted == 1
        killed = worker_of(server, int(address.rpartition(":")[2]))
        os.kill(killed, signal.SIGKILL)

        def answers() -> bool:
            try:
                return bool(peer.quarantine([NUMBER]).already_quarantined)
            except grpc.RpcError:
                return False

        wait_until(answers)
        assert not is_alive(killed)
        peer.channel.close()
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE_S) == 0
        assert os.read(reading, 1 << 20) == bytes(SMALL)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_log_that_is_read_late_has_what_each_process_said(
    tmp_path: Path, full_pipe: tuple[int, int]
) -> None:
    reading, writing = full_pipe
    server = served_on_full_pipe(tmp_path / "data", writing)
    try:
        assert line_of(server)
        os.set_blocking(reading, False)
        log = os.read(reading, SMALL)
        server.send_signal(signal.SIGTERM)
        until = time.monotonic() + PATIENCE_S
        while server.poll() is None:
            assert time.monotonic() < until
            if select.select([reading], [], [], 0.1)[0]:
                log += os.read(reading, 1 << 20)
        while select.select([reading], [], [], 0)[0]:
            log += os.read(reading, 1 << 20)
        lines = log.strip(b"\0").decode().splitlines()
        for said in ("supervisor started recovery", "keeper ready", "supervisor keeper ended"):
            assert any(f"role={said}" in line for line in lines), lines
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
