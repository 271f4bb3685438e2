"""A start that takes a while shows on a terminal how far it is, and nothing elsewhere."""

import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.durable_server import BEGAN, CALLED, TWO, fill, killed, take_snapshot
from support.server_process import DEADLINE_S, peer_of, serving

pytestmark = pytest.mark.slow


def on_a_terminal(data: Path) -> str:
    """What a start writes to a terminal until it is ready."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ringfence.cli", "serve", "--data", str(data)]
    written: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 4096):
                written.append(chunk)
        except OSError:  # nobody has the other end any more
            return

    server = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", *TWO],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    reader = threading.Thread(target=read)
    reader.start()
    assert server.stdout is not None
    assert server.stdout.readline().startswith(b"ringfence ready ")
    server.send_signal(signal.SIGTERM)
    assert server.wait(2 * DEADLINE_S) == 0
    server.stdout.close()
    reader.join()
    os.close(ours)
    return b"".join(written).decode()


def test_start_shows_loading_and_replaying_on_a_terminal_only(tmp_path):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        take_snapshot(server)
        fill(peer, 1)
    with serving(data, *TWO) as server:
        assert "loading snapshot" not in server.log
    shown = on_a_terminal(data)
    assert "loading snapshot-0000000000000001" in shown
    assert "replaying journals" in shown
