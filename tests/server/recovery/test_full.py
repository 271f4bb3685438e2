"""A server whose disk is full refuses what it cannot keep, answers queries, and heals by itself."""

from collections.abc import Callable

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.long_ago import LONG_AGO
from support.server_process import (
    DEADLINE_S,
    Peer,
    batch,
    has_retry_info,
    peer_of,
    reason_of,
    serving,
    wait_until,
)
from support.small_disk import fill, small_memory

from ringfence.server.supervisor.supervisor import FAILURES_MAX
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands

pytestmark = pytest.mark.slow

DISK_BYTES = 16 << 20
CALLED = [447700900000 + i for i in range(500)]
TWO = ("--workers", "2", "--capacity", "1000")


def health(peer: Peer, name: str) -> int:
    request = health_pb2.HealthCheckRequest(service=f"ringfence.v1.{name}")
    return health_pb2_grpc.HealthStub(peer.channel).Check(request, timeout=DEADLINE_S).status


def send(peer: Peer) -> int:
    """Sends a batch of many events and returns how many were accepted."""
    wanted = batch(CALLED * 100)
    return next(iter(peer.events.StreamEvents(iter([wanted]), timeout=DEADLINE_S))).accepted


def refusal_of(call: Callable[[], object]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert reason_of(caught.value) == "JOURNAL"
    assert has_retry_info(caught.value)


def test_full_disk_refuses_events_and_commands_answers_queries_and_heals(tmp_path):
    disk, filler = tmp_path / "disk", tmp_path / "disk" / "filler"
    with small_memory(disk, DISK_BYTES):
        with serving(disk / "data", *TWO) as server, peer_of(server, 0) as peer:
            assert peer.quarantine(CALLED, quarantined_at=[LONG_AGO]).accepted == 500
            assert send(peer) == 50_000
            fill(filler)

            def until_refused():
                while True:
                    send(peer)

            refusal_of(until_refused)
            wait_until(lambda: health(peer, "EventService") == 2)
            assert health(peer, "NumberService") == 1

            def commands_until_refused():
                while True:
                    peer.quarantine(CALLED)

            refusal_of(commands_until_refused)
            checked = peer.numbers.CheckNumbers(
                numbers.CheckNumbersRequest(numbers=CALLED[:3]), timeout=DEADLINE_S
            )
            assert len(checked.verdicts) == 3
            status = peer.commands.GetStatus(commands.GetStatusRequest(), timeout=DEADLINE_S)
            assert not status.journal_writable

            filler.unlink()
            wait_until(lambda: health(peer, "EventService") == 1)
            assert send(peer) == 50_000
            wait_until(
                lambda: (
                    peer.commands.GetStatus(
                        commands.GetStatusRequest(), timeout=DEADLINE_S
                    ).journal_writable
                )
            )
            assert peer.quarantine(CALLED).already_quarantined == 500
        with serving(disk / "data", *TWO) as server, peer_of(server) as peer:
            assert peer.quarantine(CALLED).already_quarantined == 500


def test_disk_that_is_full_again_and_again_ends_keepers_and_not_the_server(tmp_path):
    disk, filler = tmp_path / "disk", tmp_path / "disk" / "filler"
    with (
        small_memory(disk, DISK_BYTES),
        serving(disk / "data", *TWO) as server,
        peer_of(server, 0) as peer,
    ):

        def is_taken() -> bool:
            try:
                peer.quarantine(CALLED)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE
                return False
            return True

        assert is_taken()
        for _ in range(FAILURES_MAX + 1):
            fill(filler)
            wait_until(lambda: not is_taken())
            filler.unlink()
            wait_until(is_taken)
        assert server.starts("keeper") > FAILURES_MAX
        assert server.process.poll() is None
