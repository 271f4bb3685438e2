"""A worker that has not heard the keeper yet does not say that commands are taken."""

import os
import signal
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.server_process import PATIENCE_S, Peer, peer_of, serving, wait_until

pytestmark = pytest.mark.slow

STATUS = health_pb2.HealthCheckResponse
COMMANDS = "ringfence.v1.QuarantineService"
TIME = "ringfence.time"


def status(peer: Peer, name: str) -> int:
    stub = health_pb2_grpc.HealthStub(peer.channel)
    request = health_pb2.HealthCheckRequest(service=name)
    return int(stub.Check(request, timeout=PATIENCE_S, wait_for_ready=True).status)


def test_replaced_worker_promises_nothing_until_it_has_heard_the_keeper(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--capacity", "1000") as server:
        keeper = server.pid("keeper")
        with peer_of(server) as peer:
            wait_until(lambda: status(peer, COMMANDS) == STATUS.SERVING)
            wait_until(lambda: status(peer, TIME) == STATUS.SERVING)
        os.kill(keeper, signal.SIGSTOP)
        server.kill("worker-0")
        with peer_of(server) as peer:
            assert status(peer, COMMANDS) == STATUS.NOT_SERVING
            assert status(peer, TIME) == STATUS.SERVICE_UNKNOWN
            assert status(peer, "ringfence.v1.EventService") == STATUS.SERVING
            assert server.pid("keeper") == keeper
            os.kill(keeper, signal.SIGCONT)
            wait_until(lambda: status(peer, COMMANDS) == STATUS.SERVING)
            wait_until(lambda: status(peer, TIME) == STATUS.SERVING)
