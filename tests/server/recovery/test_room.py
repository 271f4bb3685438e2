"""A disk that is full at the wrong moment: as a snapshot is taken, at the first start, at any."""

import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from support.durable_server import (
    BEGAN,
    CALLED,
    TWO,
    end_snapshot,
    fill,
    killed,
    recovered_from,
    refusal_of,
    send,
    state_of,
    take_snapshot,
)
from support.server_process import Peer, peer_of, reason_of, serving, wait_until
from support.small_disk import fill as fill_disk
from support.small_disk import small_memory

from ringfence.engine.snapshot import list_snapshots

pytestmark = pytest.mark.slow

DISK_BYTES = 16 << 20
SNAPSHOT_BYTES = 2 << 20  # at least: the spray map


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder with a small disk of its own."""
    with small_memory(tmp_path / "data", DISK_BYTES):
        yield tmp_path / "data"


def leave(data: Path, size_bytes: int) -> Path:
    """Fills a disk but for some bytes; the file to remove when there shall be room again."""
    filler = data / "filler"
    fill_disk(filler)
    os.truncate(filler, filler.stat().st_size - size_bytes)
    return filler


def test_snapshot_without_room_leaves_the_others_and_the_server_as_they_were(data):
    with killed(data, *TWO) as server, peer_of(server) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        for seed in (1, 2):
            fill(peer, seed)
            take_snapshot(server)
        snapshots = {path: path.read_bytes() for path in list_snapshots(data / "snapshots")}
        published = (server.run_folder / "truncate.json").read_bytes()
        filler = leave(data, SNAPSHOT_BYTES // 2)
        end_snapshot(server)
        text = f"{data}/snapshots/snapshot-0000000000000003.rfs: snapshot not written: "
        assert text in server.log
        assert "No space left on device" in server.log
        assert {path: path.read_bytes() for path in (data / "snapshots").iterdir()} == snapshots
        assert (server.run_folder / "truncate.json").read_bytes() == published
        fill(peer, 3)
        filler.unlink()
        path = take_snapshot(server)
        assert path.stem == "snapshot-0000000000000003"
        fill(peer, 4)
        before = state_of(server)
    with serving(data, *TWO) as server:
        assert recovered_from(server)[0] == path.stem
        assert state_of(server) == before


@pytest.mark.parametrize("left_bytes", [0, 4 << 10, 8 << 10, 24 << 10, 48 << 10])
def test_first_start_without_room_says_so_and_leaves_nothing_half(data, left_bytes):
    filler = leave(data, left_bytes)
    refusal = refusal_of(data)
    print(refusal)
    assert "No space left on device" in refusal
    assert str(data) in refusal
    filler.unlink()
    with killed(data, *TWO) as server, peer_of(server) as peer:
        assert peer.quarantine(CALLED, quarantined_at=[BEGAN]).accepted == len(CALLED)
        send(peer, [{"called": CALLED}])
        before = state_of(server)
    with serving(data, *TWO) as server:
        assert state_of(server) == before


def test_restart_needs_no_room_on_the_disk(data):
    with killed(data, *TWO) as server, peer_of(server) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        fill(peer, 1)
        take_snapshot(server)
        fill(peer, 2)
        before = state_of(server)
    filler = leave(data, 0)
    with serving(data, *TWO) as server, peer_of(server) as peer:
        assert state_of(server) == before
        with pytest.raises(grpc.RpcError) as caught:
            while True:
                fill(peer, 3)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert reason_of(caught.value) == "JOURNAL"
        assert peer.worker() in (0, 1)  # queries are answered
        filler.unlink()
        wait_until(lambda: _takes_all(peer))
        fill(peer, 4)


def _takes_all(peer: Peer) -> bool:
    """Whether keeper and worker can write again."""
    try:
        peer.quarantine(CALLED)
        send(peer, [{"called": CALLED}])
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        return False
    return True
