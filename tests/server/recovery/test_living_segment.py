"""A segment that outlived its server is taken over, unless anything speaks against it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.durable_server import (
    BEGAN,
    CALLED,
    CAPACITY,
    TWO,
    fill,
    killed,
    put_pool,
    recovered_from,
    send,
    state_of,
    take_snapshot,
)
from support.durable_server import history as batches_of
from support.server_process import ServerProcess, peer_of, serving

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.new_segment import new_segment
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import State
from ringfence.server.config.config import load_config

pytestmark = pytest.mark.slow


def segment_of(server: ServerProcess) -> Path:
    return server.run_folder / "segment"


def filled(data: Path, *options: str) -> tuple[bytes, Path]:
    """A server with something in it is killed; its state hash, and where its segment is."""
    with killed(data, *(options or TWO), reboot=False) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED[:150], quarantined_at=[BEGAN])
        fill(peer, 1)
        take_snapshot(server)
        fill(peer, 2)
        return state_of(server), segment_of(server)


def test_segment_of_a_killed_server_is_taken_over_with_all_that_is_in_it(tmp_path):
    data = tmp_path / "data"
    before, path = filled(data)
    inode = path.stat().st_ino
    with killed(data, *TWO, reboot=False) as server, peer_of(server, 1) as peer:
        assert recovered_from(server) == ("memory", 0)
        assert path.stat().st_ino == inode
        assert state_of(server) == before
        assert put_pool(peer, "pool-1").revision == 2
        fill(peer, 3)
        before = state_of(server)
    with killed(data, "--workers", "1", *CAPACITY, reboot=False) as server:  # again, with fewer
        assert recovered_from(server) == ("memory", 0)
        assert state_of(server) == before
    with serving(data, "--workers", "3", *CAPACITY) as server, peer_of(server, 2) as peer:
        assert recovered_from(server) == ("memory", 0)
        assert state_of(server) == before
        fill(peer, 4)
        before = state_of(server)
        assert server.stop() == 0
        assert not path.exists()  # who is asked to stop gives the memory back
    with serving(data, *TWO) as server:
        assert recovered_from(server)[0] == "snapshot-0000000000000001"
        assert state_of(server) == before


def test_what_was_taken_over_equals_what_the_disk_holds(tmp_path):
    data = tmp_path / "data"
    before, path = filled(data)
    shutil.copytree(data, tmp_path / "copy")
    with killed(data, *TWO) as server:
        assert recovered_from(server)[0] == "memory"
        assert state_of(server) == before
    assert not path.exists()
    with serving(tmp_path / "copy", *TWO) as server:
        assert recovered_from(server)[0] != "memory"
        assert state_of(server) == before


def test_command_that_was_journalled_and_not_applied_is_applied_to_a_segment_taken_over(tmp_path):
    data = tmp_path / "data"
    with killed(data, *TWO, reboot=False) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED[:100], quarantined_at=[BEGAN])
        send(peer, batches_of(1))
        before, path = state_of(server), segment_of(server)
        applied = Segment.open(path).applied
        peer.quarantine(CALLED[100:], quarantined_at=[BEGAN])
        after = state_of(server)
    segment = Segment.open(path)
    writer = TableWriter(segment)
    for number in CALLED[100:]:
        writer.set_state(number, State.FREE, since=BEGAN)
    writer.set_applied(applied)
    with serving(data, *TWO) as server:
        assert recovered_from(server) == ("memory", 1)
        assert state_of(server) == after != before


def other_boot(path: Path, _: Path) -> None:
    segment = Segment.open(path)
    segment.set_whole(boot_id=bytes(15) + b"x", start_id=segment.start_id)


def other_start(_: Path, data: Path) -> None:
    (data / "start_id").write_text("00" * 16)


def no_start(_: Path, data: Path) -> None:
    (data / "start_id").unlink()


def half_rebuilt(path: Path, _: Path) -> None:
    Segment.open(path).set_whole(boot_id=bytes(16), start_id=bytes(16))


def other_folder(path: Path, _: Path) -> None:
    segment = Segment.open(path)
    at = bytes(segment.view()[:4096]).index(segment.folder_id)
    segment.view()[at] ^= 1


def other_version(path: Path, _: Path) -> None:
    Segment.open(path).view()[8] += 1


def short(path: Path, _: Path) -> None:
    with open(path, "r+b") as file:
        file.truncate(8192)


def keeper_ahead(path: Path, _: Path) -> None:
    segment = Segment.open(path)
    TableWriter(segment).set_applied(segment.applied + 1)


def older_journal(_: Path, data: Path) -> None:
    shutil.rmtree(data / "journal")
    shutil.copytree(data.with_name("older"), data / "journal")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (other_boot, "boot_id="),
        (other_start, "start_id="),
        (no_start, "start_id="),
        (half_rebuilt, "it was being rebuilt"),
        (other_folder, "folder_id="),
        (other_version, "version"),
        (short, "bytes="),
        (keeper_ahead, "journal keeper ends too early: last="),
    ],
)
def test_segment_that_may_not_be_taken_over_is_rebuilt_with_the_reason_in_the_log(
    tmp_path: Path, spoil: Callable[[Path, Path], None], named: str
) -> None:
    data = tmp_path / "data"
    before, path = filled(data)
    spoil(path, data)
    with serving(data, *TWO) as server:
        assert recovered_from(server)[0] == "snapshot-0000000000000001"
        assert "segment not taken over: " in server.log
        assert named in server.log.split("segment not taken over: ")[1].splitlines()[0]
        assert state_of(server) == before


def test_segment_is_not_taken_over_by_a_folder_whose_journals_are_behind_it(tmp_path):
    data = tmp_path / "data"
    with killed(data, *TWO, reboot=False) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        fill(peer, 1)
        before = state_of(server)
    shutil.copytree(data / "journal", tmp_path / "older")
    with killed(data, *TWO, reboot=False) as server, peer_of(server, 0) as peer:
        fill(peer, 2)
        assert state_of(server) != before
    older_journal(data, data)
    with serving(data, *TWO) as server:
        assert "segment not taken over: journal " in server.log
        assert recovered_from(server)[0] == "journal"
        assert state_of(server) == before


def test_raised_capacity_is_not_taken_over_and_loses_nothing(tmp_path):
    data = tmp_path / "data"
    before, _ = filled(data)
    with serving(data, "--workers", "2", "--capacity", "2000") as server, peer_of(server) as peer:
        assert "capacity_numbers=1000, expected=2000" in server.log
        assert state_of(server) == before
        assert peer.quarantine([CALLED[0] + 900]).accepted == 1


def test_copy_that_went_another_way_does_not_take_the_segment_over(tmp_path):
    data, copy = tmp_path / "data", tmp_path / "copy"
    before, _ = filled(data)
    shutil.copytree(data, copy)
    with killed(copy, *TWO, reboot=False) as server, peer_of(server, 0) as peer:
        assert recovered_from(server)[0] == "memory"  # it is the same still
        fill(peer, 3)
        assert state_of(server) != before
    with serving(data, *TWO) as server:
        assert recovered_from(server)[0] != "memory"
        assert state_of(server) == before


def test_server_killed_in_its_recovery_leaves_a_segment_that_is_not_taken_over(tmp_path):
    data = tmp_path / "data"
    before, path = filled(data)
    path.unlink()
    config = load_config(None, capacity_numbers=1000)
    segment = new_segment(
        path,
        capacity_numbers=1000,
        ring_entries=config.server.ring_entries,
        folder_id=_folder_id(path),
        spray=config.spray_settings,
    )
    segment.close()
    with serving(data, *TWO) as server:
        assert "segment not taken over: it was being rebuilt" in server.log
        assert state_of(server) == before


def _folder_id(path: Path) -> bytes:
    return bytes.fromhex(path.parent.name.removeprefix("ringfence-"))
