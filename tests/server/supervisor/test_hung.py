"""The event loop of a process hangs, though its threads do not: it is replaced; others go on."""

import os
import signal
import time
from pathlib import Path

import grpc
import pytest
from support.places import SUPPORT
from support.server_process import OpenStream, Peer, ServerProcess, peer_of, serving, wait_until

from ringfence.server.link.signs_of_life import HUNG_LOOKS, PAUSE_S
from ringfence.server.supervisor.child import LOOK_S, SILENT_LOOKS_MAX

pytestmark = pytest.mark.slow

HUNG = ("keeper", "history", "worker-0")
NUMBER = 447700900001
PATIENCE_S = 3 * (HUNG_LOOKS * PAUSE_S + SILENT_LOOKS_MAX * LOOK_S)


def ready(server: ServerProcess, role: str) -> bool:
    return f" pid={server.pid(role)} role={role} ready" in server.log


def is_quarantined(peer: Peer) -> bool:
    """What a command says; False = the worker has not heard the new keeper yet."""
    try:
        return peer.quarantine([NUMBER]).already_quarantined == 1
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        return False


def test_processes_whose_loops_hang_are_replaced_and_others_go_on(tmp_path: Path) -> None:
    program = (str(SUPPORT / "hanging_server.py"),)
    with serving(
        tmp_path / "data", "--workers", "2", "--capacity", "1000", program=program
    ) as server:
        with peer_of(server) as peer:
            assert peer.quarantine([NUMBER]).accepted == 1
        before = {role: server.pid(role) for role in (*HUNG, "worker-1")}
        with peer_of(server, worker=1) as other:
            stream = OpenStream(other)
            for role in HUNG:
                os.kill(before[role], signal.SIGUSR2)
            until = time.monotonic() + PATIENCE_S
            while any(server.pid(role) == before[role] or not ready(server, role) for role in HUNG):
                assert time.monotonic() < until, "it did not happen"
                assert stream.send([NUMBER]).accepted == 1
                time.sleep(0.2)
            stream.close()
        for role in HUNG:
            assert f"{role} gives no sign of life: pid={before[role]}, killed" in server.log
        assert server.log.count("the event loop hangs at ") == len(HUNG)
        assert server.log.count(" wait_for_oneself") == len(HUNG)
        assert server.pid("worker-1") == before["worker-1"]
        with peer_of(server) as peer:
            wait_until(lambda: is_quarantined(peer))
