"""The machine's clock steps back: time as it was journalled does not, and everything goes on."""

import time
from contextlib import closing
from pathlib import Path

import pytest
from support.damaged_folder import identity_of
from support.durable_server import (
    BEGAN,
    CALLED,
    TWO,
    killed,
    put_pool,
    recovered_from,
    state_of,
    take_snapshot,
)
from support.server_process import DEADLINE_S, Peer, batch, peer_of, serving
from support.wall_clock import SteppingClock

from ringfence.engine.snapshot import list_snapshots, read_header
from ringfence.server.journal.lmdb_journal import open_for_replay
from ringfence.server.keeper.keeper import keeper_values
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands

pytestmark = pytest.mark.slow

HOUR_S = 3_600
LATER = [447700900700 + i for i in range(10)]


@pytest.fixture
def clock(tmp_path: Path) -> SteppingClock:
    """A clock that is right until it is set."""
    return SteppingClock(tmp_path / "offset")


def decided_at(data: Path) -> list[int]:
    """The times of all commands in the keeper's journal, in their order."""
    path = data / "journal" / "keeper"
    with closing(open_for_replay(path, identity=identity_of(path))) as journal:
        return [value.decided_at for _, value in keeper_values(journal, 0)]


def quarantined_at(peer: Peer, number: int) -> int:
    """Since when a number is in quarantine."""
    request = numbers.GetNumberRequest(number=number, at=int(time.time()) + HOUR_S)
    return peer.numbers.GetNumber(request, timeout=DEADLINE_S).quarantined_at.seconds


def call(peer: Peer, called: list[int], occurred_at: int) -> int:
    """Sends one call to each; how many were accepted."""
    request = batch(called, occurred_at=[occurred_at] * len(called))
    return next(iter(peer.events.StreamEvents(iter([request]), timeout=DEADLINE_S))).accepted


def go_on(peer: Peer, clock: SteppingClock, numbers_: list[int]) -> None:
    """Fails unless commands, events and queries are answered as always."""
    assert peer.quarantine(numbers_).accepted == len(numbers_)
    assert put_pool(peer, f"pool-{numbers_[0]}").revision == 1
    assert call(peer, CALLED, clock.now()) == len(CALLED)
    assert peer.worker() in (0, 1)


def test_server_started_with_an_earlier_clock_decides_nothing_earlier(tmp_path, clock, monkeypatch):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        put_pool(peer, "before")
    last = decided_at(data)[-1]
    assert abs(last - time.time()) < HOUR_S / 2
    clock.set_offset(-3 * HOUR_S)
    with clock.preloaded(monkeypatch), killed(data, *TWO) as server, peer_of(server) as peer:
        go_on(peer, clock, LATER)
        assert quarantined_at(peer, LATER[0]) >= last
        before = state_of(server)
    times = decided_at(data)
    assert len(times) == 5
    assert times == sorted(times)
    with serving(data, *TWO) as server:
        assert state_of(server) == before


def test_clock_that_steps_back_under_a_running_server_moves_no_decision(
    tmp_path, clock, monkeypatch
):
    data = tmp_path / "data"
    clock.set_offset(HOUR_S)
    with clock.preloaded(monkeypatch), killed(data, *TWO) as server, peer_of(server) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        go_on(peer, clock, LATER[:5])
        ahead = quarantined_at(peer, LATER[0])
        assert ahead > time.time() + HOUR_S / 2
        clock.set_offset(-HOUR_S)
        go_on(peer, clock, LATER[5:])
        assert quarantined_at(peer, LATER[5]) >= ahead
        server.kill("keeper")  # the next one has only the journal to know the time from
        assert put_pool(peer, "after").revision == 1
        before = state_of(server)
    times = decided_at(data)
    assert times == sorted(times)
    assert times[-1] >= ahead
    with serving(data, *TWO) as server:
        assert state_of(server) == before


def test_snapshot_taken_with_the_clock_back_is_the_newest_and_taken_no_earlier(
    tmp_path, clock, monkeypatch
):
    data = tmp_path / "data"
    with clock.preloaded(monkeypatch), killed(data, *TWO) as server, peer_of(server) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        first = read_header(take_snapshot(server))
        clock.set_offset(-24 * HOUR_S)
        go_on(peer, clock, LATER)
        path = take_snapshot(server)
        newest = read_header(path)
        before = state_of(server)
    assert newest.taken_at >= first.taken_at
    assert newest.number == first.number + 1
    assert list_snapshots(data / "snapshots")[0] == path
    with serving(data, *TWO) as server, peer_of(server) as peer:
        assert recovered_from(server) == (path.stem, 0)
        assert state_of(server) == before
        status = peer.commands.GetStatus(commands.GetStatusRequest(), timeout=DEADLINE_S)
        assert status.snapshot_at.seconds == newest.taken_at
