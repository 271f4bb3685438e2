"""A process is stopped and does not go on: nothing is heard of it, and it is replaced."""

import os
import signal
import time

import pytest
from support.server_process import ServerProcess, peer_of, wait_until

from ringfence.server.folder.snapshot_lock import change_snapshots
from ringfence.server.supervisor.child import LOOK_S, SILENT_LOOKS_MAX

pytestmark = pytest.mark.slow

ROLES = ("keeper", "history", "worker-0", "worker-1")
NUMBER = 447700900001


def processes(server: ServerProcess) -> dict[str, int]:
    return {role: server.pid(role) for role in ROLES}


def is_ready(server: ServerProcess, role: str) -> bool:
    return f" pid={server.pid(role)} role={role} ready" in server.log


def test_stopped_processes_are_replaced(own_server: ServerProcess) -> None:
    before = processes(own_server)
    with peer_of(own_server) as peer:
        assert peer.quarantine([NUMBER]).accepted == 1
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: not before.items() & processes(own_server).items())
    wait_until(lambda: all(is_ready(own_server, role) for role in ROLES))
    for role, pid in before.items():
        assert f"{role} gives no sign of life: pid={pid}, killed" in own_server.log
    with peer_of(own_server) as peer:
        assert peer.quarantine([NUMBER]).already_quarantined == 1


def test_stopped_snapshot_is_killed_and_the_next_one_is_taken(own_server: ServerProcess) -> None:
    with change_snapshots(own_server.data, lambda: None):  # so that it waits
        own_server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "waiting for a backup" in own_server.log)
        os.kill(own_server.pid("snapshot"), signal.SIGSTOP)
        wait_until(lambda: "snapshot gives no sign of life: " in own_server.log)
    assert "snapshot taken: " not in own_server.log
    own_server.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: "snapshot taken: " in own_server.log)


def test_all_are_stopped_for_long_and_go_on_and_nobody_is_replaced(
    own_server: ServerProcess,
) -> None:
    before = processes(own_server)
    every = [own_server.process.pid, *before.values()]
    for pid in every:
        os.kill(pid, signal.SIGSTOP)
    time.sleep((SILENT_LOOKS_MAX + 2) * LOOK_S)
    for pid in every:
        os.kill(pid, signal.SIGCONT)
    time.sleep(3 * LOOK_S)
    assert processes(own_server) == before
    assert "no sign of life" not in own_server.log
