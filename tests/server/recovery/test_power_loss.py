"""Whenever the power is cut: nothing acknowledged is lost, and nothing is damaged.

The data folder is a disk of its own, which is cut off under a server at work: what was not synced
is gone, as is all that was in memory. It needs root, for mount.

A soak is the same with more rounds:

    RINGFENCE_POWER_ROUNDS=100 pytest -n 0 -s tests/server/recovery/test_power_loss.py
"""

import fcntl
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import lmdb
import pytest
from support.crash_load import (
    Feed,
    Operator,
    caller_key_of,
    expected_rings,
    finish,
    lost,
    rings_of,
    working,
)
from support.durable_server import take_snapshot
from support.nursery import run_ringfence
from support.places import SUPPORT
from support.run_seed import run_seed
from support.server_process import PATIENCE_S, ServerProcess, peer_of, wait_until
from support.small_disk import cut_off, small_disk

from ringfence.engine.durable_files import sync
from ringfence.engine.snapshot import (
    list_snapshots,
    prune_snapshots,
    snapshot_number,
    snapshot_path,
)
from ringfence.server.folder.journal_folders import DATA

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("RINGFENCE_POWER_ROUNDS", "2"))
MOMENTS = ("at work", "in a snapshot", "behind a snapshot", "at a start")
CONTROL_S = 1.0
DISK_BYTES = 128 << 20
WORKERS = 2
UNSYNCED = str(SUPPORT / "unsynced_server.py")


class Machine:
    """A server on a disk of its own, whose power is cut again and again."""

    def __init__(self, folder: Path, program: Sequence[str] = ()) -> None:
        self._image = folder / "image"
        self._data = folder / "data"
        self._program = program
        self.address = "127.0.0.1:0"

    @contextmanager
    def powered(self) -> Iterator[ServerProcess]:
        """Its server, which is just starting. In the end the power is cut: nothing of it runs any
        more, and what was in memory only is gone.
        """
        with small_disk(self._image, self._data, DISK_BYTES):
            _verify(self._data)
            lock = os.open(self._data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            server = ServerProcess(
                self._data,
                *("--workers", str(WORKERS), "--capacity", "2000"),
                listen=self.address,
                program=self._program,
            )
            try:
                yield server
            finally:
                _cut(server, lock)

    def await_ready(self, server: ServerProcess) -> None:
        """Waits until the server takes calls, always at the same address."""
        assert server.ready_line.startswith("ringfence ready "), server.log
        self.address = server.address


def _verify(data: Path) -> None:
    """Fails unless everything in a data folder is as it was written."""
    if (data / "journal").exists():
        done = run_ringfence("data", "verify", data)
        assert done.returncode == 0, done.stdout + done.stderr


def _cut(server: ServerProcess, lock: int) -> None:
    """Cuts off the disk, kills everything, and returns when the last process is gone."""
    try:
        run_folder = server.run_folder
        cut_off(server.data)
    finally:
        server.process.kill()  # the others end with it
        server.end()
        wait_until(lambda: _is_free(lock))
        os.close(lock)
    shutil.rmtree(run_folder, ignore_errors=True)  # a start may have been cut off before it
    print(server.log)


def _is_free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _journals(server: ServerProcess) -> list[Path]:
    return [path.parent for path in server.data.glob(f"journal/[!.]*/{DATA}")]


def _is_short(journal: Path) -> bool:
    """Whether a journal that a running server has was truncated."""
    environment = lmdb.open(str(journal), readonly=True, lock=False)
    with environment, environment.begin() as txn, txn.cursor() as cursor:
        return cursor.set_range((2).to_bytes(8, "big")) and not cursor.prev()


def _await(moment: str, server: ServerProcess, chance: random.Random) -> None:
    """Returns at some moment of this kind."""
    match moment:
        case "at work":
            time.sleep(chance.uniform(0, 1))
        case "in a snapshot":
            snapshots = server.data / "snapshots"
            before = set(snapshots.glob("*.*"))
            server.process.send_signal(signal.SIGUSR1)
            deadline = time.monotonic() + PATIENCE_S
            while set(snapshots.glob("*.*")) <= before:  # soon over: there is no time to sleep
                assert time.monotonic() < deadline, "no snapshot is written"
            time.sleep(chance.uniform(0, 0.02))
        case "behind a snapshot":
            take_snapshot(server)
            time.sleep(chance.uniform(0, 0.8))  # journals are truncated within half a second
        case "at a start":
            wait_until(lambda: "started recovery" in server.log)
            time.sleep(chance.uniform(0, 0.8))


@pytest.mark.parametrize("seed", [run_seed()])
def test_nothing_acknowledged_is_lost_when_the_power_is_cut(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    machine = Machine(tmp_path)
    operator = Operator()
    with machine.powered() as server:
        machine.await_ready(server)
        with peer_of(server) as peer:
            operator.once(peer)
        key = caller_key_of(server)
    feeds = [Feed(seed + i, operator.quarantined, key) for i in range(WORKERS)]
    with working(machine.address, feeds, operator, workers=WORKERS):
        for round_ in range(ROUNDS):
            moment = MOMENTS[round_ % len(MOMENTS)]
            with machine.powered() as server:
                if moment != "at a start":
                    machine.await_ready(server)
                    missing = lost(feeds, operator, server)
                    assert missing == [], f"round {round_}: {missing[:5]}"
                _await(moment, server, chance)
    print(f"acknowledged: events={[feed.acknowledged for feed in feeds]}, puts={operator.puts}")
    assert all(feed.acknowledged for feed in feeds)
    for _ in range(2):  # the second time from a snapshot and journals that are short
        with machine.powered() as server:
            machine.await_ready(server)
            assert lost(feeds, operator, server) == []
            finish(server.address, feeds)
            rings = rings_of(server)
            assert {n: ring for n, ring in rings.items() if ring} == expected_rings(feeds)
            take_snapshot(server)
            take_snapshot(server)
            wait_until(lambda: all(_is_short(folder) for folder in _journals(server)))
    assert "=snapshot-" in server.ready_line


@pytest.mark.parametrize("name", ["keeper", "worker-1"])
def test_a_journal_that_is_not_synced_loses_what_was_acknowledged(
    tmp_path: Path, name: str
) -> None:
    machine = Machine(tmp_path, (UNSYNCED, name))
    operator = Operator()
    with machine.powered() as server:
        machine.await_ready(server)
        with peer_of(server) as peer:
            operator.once(peer)
        # With events in its workers' journals and none of their numbers, no server would start.
        feeds = [
            Feed(i, operator.quarantined, caller_key_of(server))
            for i in range(WORKERS if name != "keeper" else 0)
        ]
        with working(server.address, feeds, operator, workers=WORKERS):
            time.sleep(CONTROL_S)
    with machine.powered() as server:
        machine.await_ready(server)
        assert lost(feeds, operator, server) != []


def test_a_removed_snapshot_does_not_come_back(tmp_path: Path) -> None:
    # Its journals were truncated since: it would be a damaged one.
    image, folder = tmp_path / "image", tmp_path / "snapshots"
    with small_disk(image, folder, DISK_BYTES):
        for number in (1, 2, 3):
            snapshot_path(folder, number).touch()
        sync(folder)
        prune_snapshots(folder, keep=2)
        cut_off(folder)
    with small_disk(image, folder, DISK_BYTES):
        assert [snapshot_number(path) for path in list_snapshots(folder)] == [3, 2]
