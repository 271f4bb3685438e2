"""A real server whose wall clock leaps, or is wrong from the start: one time for all processes."""

from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.asking import ask, refusal, verdicts
from support.durable_server import TWO, killed
from support.long_ago import DAY_S
from support.server_process import DEADLINE_S, Peer, batch, peer_of, reason_of, serving, wait_until
from support.wall_clock import SteppingClock

from ringfence import Client
from ringfence.server.worker.command_health import TIME

pytestmark = pytest.mark.slow

LEAP_S = 100 * DAY_S
OLD, YOUNG, NEW = 447700900000, 447700900001, 447700900002
Health = health_pb2.HealthCheckResponse


@pytest.fixture
def clock(tmp_path: Path) -> SteppingClock:
    """A clock that is right until it is set."""
    return SteppingClock(tmp_path / "offset")


def stock(peer: Peer, now: int) -> None:
    """A number that is clean, and one that is AGING for 80 days more."""
    times = [now - 100 * DAY_S, now - 10 * DAY_S]
    peer.quarantine([OLD, YOUNG], quarantined_at=times, observed_since=times)


def call(peer: Peer, called: int, occurred_at: int) -> tuple[int, int]:
    """Somebody calls; accepted and rejected."""
    request = batch([called], occurred_at=[occurred_at])
    answer = next(iter(peer.events.StreamEvents(iter([request]), timeout=DEADLINE_S)))
    return answer.accepted, answer.rejected


def health(peer: Peer, name: str) -> int:
    """What health says of a service."""
    stub = health_pb2_grpc.HealthStub(peer.channel)
    request = health_pb2.HealthCheckRequest(service=name)
    return int(stub.Check(request, timeout=DEADLINE_S).status)


def test_leap_of_a_hundred_days_changes_no_verdict_no_lease_and_no_event(
    tmp_path, clock, monkeypatch
):
    data = tmp_path / "data"
    with (
        clock.preloaded(monkeypatch),
        killed(data, *TWO, reboot=False) as server,
        peer_of(server) as peer,
    ):
        stock(peer, clock.now())
        wait_until(lambda: health(peer, TIME) == Health.SERVING)
        clock.set_offset(LEAP_S)
        made = ask(peer, "ReserveNumbers", pool="default", count=2, allow_partial=True)
        assert list(made.numbers) == [OLD]
        assert made.expires_at.seconds < clock.now() - LEAP_S + 2 * DAY_S
        assert list(ask(peer, "ConfirmReservation", id=made.id).numbers) == [OLD]
        error = refusal(peer, "ReserveNumbers", pool="default", count=1)
        assert reason_of(error) == "TOO_FEW_CLEAN"
        assert peer.quarantine([NEW]).accepted == 1
        assert verdicts(peer, YOUNG, NEW) == ["AGING", "AGING"]
        assert call(peer, NEW, clock.now() - LEAP_S + 60) == (1, 0)
        assert call(peer, NEW, clock.now()) == (0, 1)
        wait_until(lambda: health(peer, TIME) == Health.NOT_SERVING)
        wait_until(lambda: health(peer, "ringfence.v1.QuarantineService") == Health.SERVING)
        assert "ahead" in ask(peer, "GetStatus").time_dispute
        clock.set_offset(0)
        wait_until(lambda: health(peer, TIME) == Health.SERVING)
        assert ask(peer, "GetStatus").time_dispute == ""
        assert verdicts(peer, YOUNG, NEW) == ["AGING", "AGING"]
        told = [line for line in server.log.splitlines() if " time is " in line]
        assert [" time is disputed: " in line for line in told] == [True, False]
        clock.set_offset(LEAP_S)
        wait_until(lambda: health(peer, TIME) == Health.NOT_SERVING)
    with clock.preloaded(monkeypatch), serving(data, *TWO) as server, peer_of(server) as peer:
        assert " recovered=memory " in server.ready_line
        assert "ahead" in ask(peer, "GetStatus").time_dispute
        assert verdicts(peer, YOUNG, NEW) == ["AGING", "AGING"]


def test_accepted_leap_is_the_time_of_all_processes_and_of_the_next_start(
    tmp_path, clock, monkeypatch
):
    data = tmp_path / "data"
    with clock.preloaded(monkeypatch), killed(data, *TWO) as server, peer_of(server) as peer:
        stock(peer, clock.now())
        clock.set_offset(LEAP_S)
        wait_until(lambda: ask(peer, "GetStatus").time_dispute != "")
        with Client(server.address) as client:
            accepted = client.accept_clock(clock.now(), note="the machine was asleep")
        assert not accepted.disputed
        assert abs(accepted.time.timestamp() - clock.now()) < DAY_S
        for worker in (0, 1):
            with peer_of(server, worker) as one:
                assert verdicts(one, YOUNG) == ["CLEAN"]
        server.kill("keeper")
        assert list(ask(peer, "ReserveNumbers", pool="default", numbers=[YOUNG]).numbers) == [YOUNG]
    with clock.preloaded(monkeypatch), serving(data, *TWO) as server, peer_of(server) as peer:
        assert ask(peer, "GetStatus").time_dispute == ""
        assert peer.quarantine([NEW]).accepted == 1


@pytest.mark.parametrize("away_s", [-20 * 365 * DAY_S, LEAP_S])
def test_server_that_starts_with_a_wrong_clock_goes_on_from_its_journal(
    tmp_path, clock, monkeypatch, away_s
):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server) as peer:
        stock(peer, clock.now())
    clock.set_offset(away_s)
    with clock.preloaded(monkeypatch), serving(data, *TWO) as server, peer_of(server) as peer:
        if not ask(peer, "GetStatus").wall_clock_synchronised or away_s < 0:
            assert ask(peer, "GetStatus").time_dispute != ""
            assert verdicts(peer, OLD, YOUNG) == ["CLEAN", "AGING"]
            assert peer.quarantine([NEW]).accepted == 1
            assert call(peer, NEW, clock.now() - away_s) == (1, 0)
            clock.set_offset(0)
            wait_until(lambda: ask(peer, "GetStatus").time_dispute == "")
        assert abs(ask(peer, "GetStatus").time.seconds - clock.now()) < DAY_S
