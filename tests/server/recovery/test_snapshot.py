"""Snapshots of a running server: a restart begins with one, and journals let go of what it has."""

import random
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import lmdb
import pytest
from support.damaged_folder import identity_of, truncate
from support.durable_server import (
    BEGAN,
    CALLED,
    CAPACITY,
    TWO,
    fill,
    flip,
    history,
    killed,
    put_pool,
    recovered_from,
    refusal_of,
    send,
    state_of,
    take_snapshot,
)
from support.server_process import DEADLINE_S, Peer, peer_of, serving, wait_until

from ringfence.engine.snapshot import list_snapshots, read_header
from ringfence.server.journal.lmdb_journal import open_for_replay
from ringfence.v1 import quarantine_service_pb2 as commands

pytestmark = pytest.mark.slow


def oldest(data: Path, name: str) -> int:
    """The oldest position that a journal still has."""
    path = data / "journal" / name
    journal = open_for_replay(path, identity=identity_of(path))
    try:
        return journal.first
    finally:
        journal.close()


def oldest_live(data: Path, name: str) -> int:
    """The same of a journal that a running server has."""
    environment = lmdb.open(str(data / "journal" / name), readonly=True, lock=False)
    with environment, environment.begin() as txn, txn.cursor() as cursor:
        assert cursor.set_range((1).to_bytes(8, "big"))
        return int.from_bytes(cursor.key(), "big")


def test_restart_begins_with_the_snapshot_and_replays_what_is_behind_it(tmp_path):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as one, peer_of(server, 1) as other:
        one.quarantine(CALLED[:150], quarantined_at=[BEGAN])
        fill(one, 1)
        path = take_snapshot(server)
        fill(other, 2)
        before = state_of(server)
    assert read_header(path).positions == {"worker-0": 40, "worker-1": 0}
    with killed(data, *TWO) as server, peer_of(server) as peer:
        assert recovered_from(server) == (path.stem, 42)
        assert state_of(server) == before
        assert put_pool(peer, "pool-1").revision == 2
        assert put_pool(peer, "pool-2").revision == 2
        newest = read_header(take_snapshot(server))
    with serving(data, *TWO) as server, peer_of(server) as peer:
        assert recovered_from(server) == ("snapshot-0000000000000002", 0)
        status = peer.commands.GetStatus(commands.GetStatusRequest(), timeout=DEADLINE_S)
        assert status.snapshot_at.seconds == newest.taken_at
        assert state_of(server) == before
        assert put_pool(peer, "pool-1").revision == 3


def test_journals_are_truncated_behind_the_older_of_two_snapshots(tmp_path):
    data = tmp_path / "data"
    with killed(data, "--workers", "3", *CAPACITY) as server, peer_of(server, 2) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        fill(peer, 1)
    with killed(data, *TWO) as server, peer_of(server, 0) as peer:  # nobody has worker-2's now
        fill(peer, 2)
        older = read_header(take_snapshot(server))
        assert not (server.run_folder / "truncate.json").exists()
        fill(peer, 3)
        take_snapshot(server)
        fill(peer, 4)
        before = state_of(server)
        wait_until(lambda: oldest_live(data, "worker-0") == older.positions["worker-0"] + 1)
        wait_until(lambda: oldest_live(data, "keeper") == older.keeper_position + 1)
        assert oldest_live(data, "worker-2") == 40  # the last one stays
    assert older.positions == {"worker-0": 40, "worker-1": 0, "worker-2": 40}
    with serving(data, *TWO) as server:
        assert recovered_from(server) == ("snapshot-0000000000000002", 42)
        assert state_of(server) == before


@pytest.mark.parametrize("damaged", [1, 2])
def test_damaged_snapshots_are_passed_over_or_refused_and_never_used(tmp_path, damaged):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        fill(peer, 1)
        take_snapshot(server)
        fill(peer, 2)
        newest = take_snapshot(server)
        fill(peer, 3)
        before = state_of(server)
    for name, upto in (("worker-0", 40), ("keeper", 4)):
        truncate(data / "journal" / name, upto)
        assert oldest(data, name) == upto + 1
    for path in list_snapshots(data / "snapshots")[:damaged]:
        flip(path)
    if damaged == 2:
        refusal = refusal_of(data)
        assert "values were let go" in refusal
        assert f"`ringfence data verify {data}`" in refusal
        return
    with serving(data, *TWO) as server:
        assert recovered_from(server)[0] == "snapshot-0000000000000001"
        assert "damaged snapshot" in server.log
        assert state_of(server) == before
        assert newest.with_suffix(".damaged").exists()
        assert not newest.exists()


def test_damaged_only_snapshot_is_no_loss_while_the_journals_have_everything(tmp_path):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        fill(peer, 1)
        path = take_snapshot(server)
        before = state_of(server)
    flip(path)
    with serving(data, *TWO) as server:
        assert recovered_from(server)[0] == "journal"
        assert state_of(server) == before


def test_capacity_may_be_raised_between_starts(tmp_path):
    data = tmp_path / "data"
    with killed(data, "--workers", "1", "--capacity", "200") as server, peer_of(server) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        take_snapshot(server)
        before = state_of(server)
    with serving(data, "--workers", "1", "--capacity", "400") as server, peer_of(server) as peer:
        assert state_of(server) == before
        assert peer.quarantine([CALLED[0] + 700]).accepted == 1


def test_journal_that_a_snapshot_counts_on_must_be_there(tmp_path):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        fill(peer, 1)
        take_snapshot(server)
    (data / "journal" / "worker-0").rename(tmp_path / "away")
    (data / "journals").unlink()  # as in a folder of an older version
    assert f"{data}/journal/worker-0: missing: snapshot-0000000000000001" in refusal_of(data)


def test_snapshots_taken_under_feeds_and_commands_are_exact_after_replay(tmp_path):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as one, peer_of(server, 1) as other:
        one.quarantine(CALLED[:20], quarantined_at=[BEGAN])
        done = threading.Event()

        def feed(peer: Peer, seed: int) -> None:
            while not done.is_set():
                send(peer, history(seed))
                seed += 2

        def command() -> None:
            for number in CALLED[20:]:
                other.quarantine([number], quarantined_at=[BEGAN])
            for number in cycle(CALLED):
                hold = commands.HoldNumbersRequest(numbers=[number])
                other.commands.HoldNumbers(hold, timeout=DEADLINE_S)
                if done.is_set():
                    break
                unhold = commands.UnholdNumbersRequest(numbers=[number - 1])
                other.commands.UnholdNumbers(unhold, timeout=DEADLINE_S)
                put_pool(other, "busy")

        with ThreadPoolExecutor() as threads:
            working = [
                threads.submit(feed, one, 100),
                threads.submit(feed, other, 101),
                threads.submit(command),
            ]
            for _ in range(3):
                newest = take_snapshot(server)
            done.set()
            for work in working:
                work.result()
        before = state_of(server)
        revision = put_pool(one, "busy").revision
    assert [path.name[-5:] for path in list_snapshots(data / "snapshots")] == ["3.rfs", "2.rfs"]
    with serving(data, *TWO) as server, peer_of(server) as peer:
        assert recovered_from(server)[0] == newest.stem
        assert state_of(server) == before
        assert put_pool(peer, "busy").revision == revision + 1


def test_live_state_is_that_of_snapshot_and_tail_and_that_of_the_journals_alone(tmp_path):
    data = tmp_path / "data"
    batches = history(7)
    shuffled = batches + batches[::3]
    random.Random(8).shuffle(shuffled)
    with killed(data, *TWO) as server, peer_of(server, 0) as one, peer_of(server, 1) as other:
        one.quarantine(CALLED[:150], quarantined_at=[BEGAN])
        send(one, shuffled[::2])
        take_snapshot(server)
        other.quarantine(CALLED[150:], quarantined_at=[BEGAN])
        send(other, shuffled[1::2])
        live = state_of(server)
    shutil.copytree(data, tmp_path / "alone")
    shutil.rmtree(tmp_path / "alone" / "snapshots")
    for folder, source in ((data, "snapshot-0000000000000001"), (tmp_path / "alone", "journal")):
        with killed(folder, *TWO) as server:
            assert recovered_from(server)[0] == source
            assert state_of(server) == live
