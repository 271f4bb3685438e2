"""A server that was started without standard input, output and error serves all the same."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from support.server_process import PATIENCE_S, Peer, wait_until

from ringfence.v1 import quarantine_service_pb2 as commands

pytestmark = pytest.mark.slow

CLOSED = ("sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_nothing_is_written_where_a_closed_file_would_have_been(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    serve = ("serve", "--data", str(tmp_path / "data"), "--listen", address, "--workers", "1")
    server = subprocess.Popen(
        [*CLOSED, sys.executable, "-m", "ringfence.cli", *serve, "--capacity", "100"]
    )
    peer = Peer(address)

    def answers() -> bool:
        try:
            return bool(peer.commands.GetStatus(commands.GetStatusRequest(), timeout=1).version)
        except grpc.RpcError:
            return False

    try:
        wait_until(answers)
        opened = [os.readlink(f"/proc/{server.pid}/fd/{number}") for number in range(3)]
        assert opened == [os.devnull] * 3
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE_S) == 0
    finally:
        peer.channel.close()
        server.kill()
        server.wait()
