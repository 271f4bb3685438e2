"""A server whose recovery takes long: it can be stopped, and notices a recovery that hangs."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server_process import PATIENCE_S, ServerProcess, wait_until

from ringfence.server.supervisor.supervisor import EXIT_FAILED

pytestmark = pytest.mark.slow

LONG = """
import time
import ringfence.server.supervisor.supervisor as supervisor

supervisor.run_recovery = lambda _: time.sleep(600)
from ringfence.cli import main
main()
"""


@pytest.fixture
def recovering(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that has been recovering for some looks."""
    server = ServerProcess(tmp_path / "data", "--capacity", "100", program=("-c", LONG))
    try:
        wait_until(lambda: "started recovery: " in server.log)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(3)
        yield server
    finally:
        server.end()


def test_it_stops_when_it_is_asked_to(recovering: ServerProcess) -> None:
    recovering.process.send_signal(signal.SIGTERM)
    assert recovering.process.wait(PATIENCE_S) == 0
    assert "Traceback" not in recovering.log


def test_recovery_that_is_stopped_is_given_up(recovering: ServerProcess) -> None:
    os.kill(recovering.pid("recovery"), signal.SIGSTOP)
    assert recovering.process.wait(PATIENCE_S) == EXIT_FAILED
    assert "recovery gives no sign of life: " in recovering.log
    assert "the recovery process ended before it was done" in recovering.log
