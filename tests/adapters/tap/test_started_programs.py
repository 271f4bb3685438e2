"""Who disturbs a program must never disturb its own process instead."""

import os
import subprocess
from contextlib import ExitStack

import pytest
from support import server_process
from support.started_programs import started


def test_a_program_is_found_below_another_and_is_waited_for() -> None:
    with ExitStack() as stack:
        shell = stack.enter_context(subprocess.Popen(("sh", "-c", "sleep 0.3; sleep 60 & wait")))
        stack.callback(shell.kill)
        pid = started("sleep", shell.pid, lambda arguments: b"60" in arguments)
        stack.callback(os.kill, pid, 9)
        assert pid not in (0, shell.pid, os.getpid())


def test_one_that_is_not_there_is_no_process_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "PATIENCE_S", 0.1)
    with pytest.raises(AssertionError, match="it did not happen"):
        started("no-such-program", os.getpid())
