"""Snapshots of a table in use are exact, and a writer that fails or is killed leaves none."""

import errno
import itertools
import os
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from support.engine import Engine
from support.small_disk import cut_off, small_disk, small_memory
from support.small_table import KEY, START, SmallTable
from support.snapshot_files import (
    MANY,
    Taken,
    busy_table,
    empty_segment,
    loaded,
    random_events,
    segment_path,
    small_blocks,
)
from support.writing_processes import change_headers, start

from ringfence.engine import durable_files
from ringfence.engine.memory.layout import NUMBER_MASK
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import NO_SPRAY
from ringfence.engine.snapshot import (
    SnapshotError,
    check_snapshot,
    list_snapshots,
    load_snapshot,
    remove_unfinished,
    write_snapshot,
)
from ringfence.engine.snapshot import format as snapshot_format
from ringfence.engine.snapshot import write as snapshot_write
from ringfence.engine.table.writer import TableWriter

__all__ = ["segment_path", "small_blocks"]
pytestmark = pytest.mark.usefixtures("small_blocks")

ROUNDS = int(os.environ.get("RINGFENCE_KILL_ROUNDS", "10"))
BATCH_EVENTS = 50
SENDERS = 2
GENERATION_ONE = 1 << 8  # of a record's control word: set while a header changes


def insert_batch(engine: Engine, sender: int, batch: int) -> None:
    """Inserts what this sender sends as its nth batch; later batches are of later times."""
    columns = random_events((sender, batch), MANY, BATCH_EVENTS, 1000 + 10 * batch)
    engine.insert(*columns, now=START + 10**7)


def send_batches(line: Connection, path: str, sender: int) -> None:
    """Sends one batch after the other until it is told to stop."""
    engine = Engine(Segment.open(path), caller_key=KEY, worker=sender + 1)  # 0 is the table's own
    line.send("ready")
    line.recv()
    for batch in itertools.count():
        if line.poll():
            break
        insert_batch(engine, sender, batch)
    line.send("done")


def positions(table: SmallTable) -> list[int]:
    """How many batches of each sender are in the table."""
    return [counted.batches for counted in table.segment.counters()[1 : SENDERS + 1]]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "nothing comes forward"


# Spray is switched off in these tables: what is sent again is decided anew, not repeated.


def resent(path: Path, since: list[int], until: list[int]) -> SmallTable:
    """The table of a snapshot and of the batches since these positions."""
    table = loaded(path, spray=NO_SPRAY)
    for sender in range(SENDERS):
        for batch in range(since[sender], until[sender]):
            insert_batch(table.engine, sender, batch)
    return table


def test_copy_made_under_inserts_and_what_was_sent_since_before_it_equal_the_table(
    tmp_path: Path, segment_path: Path
) -> None:
    table = busy_table(segment_path, spray=NO_SPRAY)
    senders = [start(send_batches, str(segment_path), sender) for sender in range(SENDERS)]
    for _, line in senders:
        line.send("go")

    def wait_for_batches(done: int, total: int) -> None:
        """Every sender brings some batches in: before the copy, and between two blocks of it."""
        was = positions(table)
        wait_until(lambda: all(now > at + 2 for now, at in zip(positions(table), was, strict=True)))

    wait_for_batches(0, 0)
    before = positions(table)
    path = write_snapshot(
        table.segment,
        tmp_path,
        number=1,
        positions={f"worker-{sender}": at for sender, at in enumerate(before)},
        keeper_position=0,
        keeper_state=[],
        taken_at=0,
        progress=wait_for_batches,
    )
    after = positions(table)
    for process, line in senders:
        line.send("stop")
        assert line.recv() == "done"
        process.join()
    ended = positions(table)

    assert resent(path, before, ended).engine.state_hash() == table.engine.state_hash()
    # And this test can tell: what came during the copy is not all in it.
    assert resent(path, after, ended).engine.state_hash() != table.engine.state_hash()


def test_copy_made_under_a_keeper_has_every_number_and_only_settled_headers(
    tmp_path: Path, segment_path: Path
) -> None:
    table = busy_table(segment_path, spray=NO_SPRAY)
    del table.writer
    process, line = start(change_headers, str(segment_path), MANY, START + 10**6)
    line.send("go")
    try:
        for number in range(1, 6):
            assert line.recv() == "changing"
            segment = empty_segment(spray=NO_SPRAY)
            load_snapshot(Taken(table, tmp_path).take(number), segment, threads=2)
            records = Engine(segment).records()  # as they are before a TableWriter repairs any
            assert sorted(records["key"] & np.uint64(NUMBER_MASK)) == MANY
            assert not (records["control"] & np.uint64(GENERATION_ONE)).any()
            writer = TableWriter(segment)
            assert [found for found in MANY if writer.header(found) is None] == []
    finally:
        process.kill()
        process.join()


def write_snapshots(line: Connection, path: str, folder: str, number: int) -> None:
    """Writes one snapshot after the other until it is killed; says so after each block."""
    snapshot_format.BLOCK_BYTES = 4096
    segment = Segment.open(path)
    line.send("ready")
    line.recv()
    for each in itertools.count(number):
        write_snapshot(
            segment,
            Path(folder),
            number=each,
            positions={},
            keeper_position=0,
            keeper_state=[],
            taken_at=0,
            progress=lambda done, total: line.send("writing"),
        )


@pytest.mark.slow
def test_killed_writer_leaves_only_whole_snapshots(tmp_path: Path, segment_path: Path) -> None:
    seed = 21
    print(f"seed={seed}, rounds={ROUNDS}")
    chance = random.Random(seed)
    table = busy_table(segment_path, spray=NO_SPRAY)
    unfinished = 0
    for turn in range(ROUNDS):
        process, line = start(write_snapshots, str(segment_path), str(tmp_path), 1000 * turn)
        line.send("go")
        for _ in range(chance.randrange(1, 60)):  # a snapshot has 34 blocks
            assert line.recv() == "writing"
        process.kill()
        process.join()
        for path in list_snapshots(tmp_path):
            check_snapshot(path)
        left = {path.name for path in tmp_path.iterdir()} - {
            path.name for path in list_snapshots(tmp_path)
        }
        assert len(left) <= 1
        unfinished += len(left)
        whole = Taken(table, tmp_path).take(1000 * turn + 999)
        assert {path.suffix for path in tmp_path.iterdir()} == {".rfs"}, (
            "the dead writer's is there"
        )
        assert list_snapshots(tmp_path)[0] == whole
    assert unfinished > 0, "no writer was killed in the middle"


def test_unfinished_snapshots_are_removed_and_nothing_else(tmp_path: Path) -> None:
    whole = Taken(busy_table(), tmp_path).take()
    other = tmp_path / "snapshot.unfinished"
    dead = tmp_path / "snapshot-0000000000000009.unfinished"
    other.touch()
    dead.touch()
    assert remove_unfinished(tmp_path) == [dead]
    assert sorted(tmp_path.iterdir()) == [whole, other]


def test_full_disk_is_an_error_and_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    with small_memory(folder, 5 * 2**20):
        taken = Taken(busy_table(), folder)
        older = [taken.take(1), taken.take(2)]  # of 2.2 MB each
        content = [path.read_bytes() for path in older]
        with pytest.raises(SnapshotError, match="No space left on device") as caught:
            taken.take(3)
        assert str(folder / "snapshot-0000000000000003.rfs") in str(caught.value)
        assert sorted(folder.iterdir()) == older
        assert [path.read_bytes() for path in older] == content
        older[0].unlink()
        check_snapshot(taken.take(3))


def test_disk_that_goes_away_is_an_error_and_never_lists_a_half_snapshot(tmp_path: Path) -> None:
    image, folder = tmp_path / "image", tmp_path / "disk"
    table = busy_table()
    with small_disk(image, folder, 32 * 2**20):
        older = Taken(table, folder).take(1)

        def go_away(done: int, total: int) -> None:
            if done > total // 2:
                cut_off(folder)

        with pytest.raises(SnapshotError, match=r"not written: .*Input/output error"):
            write_snapshot(
                table.segment,
                folder,
                number=2,
                positions={},
                keeper_position=0,
                keeper_state=[],
                taken_at=0,
                progress=go_away,
            )
    with small_disk(image, folder, 32 * 2**20):
        assert list_snapshots(folder) == [older]
        check_snapshot(older)
        check_snapshot(Taken(table, folder).take(2))


class FailingOs:
    """The os module, of which one function fails from its nth call on."""

    def __init__(self, name: str, calls: int, code: int) -> None:
        self._name, self._calls, self._code = name, calls, code

    def __getattr__(self, name: str) -> object:
        if name != self._name:
            return getattr(os, name)
        self._calls -= 1
        if self._calls <= 0:
            raise OSError(self._code, os.strerror(self._code))
        return getattr(os, name)


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("open", 1), ("posix_fallocate", 1), ("posix_fallocate", 2),
        ("pwrite", 1), ("pwrite", 20), ("pwrite", 75),
        ("fdatasync", 1), ("fdatasync", 3), ("fsync", 1), ("rename", 1), ("fsync", 2),
    ],
)  # fmt: skip
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_write_that_fails_anywhere_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, calls: int, code: int
) -> None:
    taken = Taken(busy_table(), tmp_path)
    older = taken.take(1)
    content = older.read_bytes()
    with monkeypatch.context() as failing:
        failing_os = FailingOs(name, calls, code)
        failing.setattr(snapshot_write, "os", failing_os)
        failing.setattr(durable_files, "os", failing_os)
        failing.setattr(snapshot_write, "SYNC_BYTES", 8192)
        with pytest.raises(SnapshotError) as caught:
            taken.take(2)
    assert str(caught.value).startswith(f"{tmp_path / 'snapshot-0000000000000002.rfs'}: ")
    assert os.strerror(code) in str(caught.value)
    assert list(tmp_path.iterdir()) == [older]
    assert older.read_bytes() == content
    check_snapshot(taken.take(2))


def test_number_that_is_taken_is_refused_and_left_alone(tmp_path: Path) -> None:
    taken = Taken(busy_table(), tmp_path)
    path = taken.take(1)
    content = path.read_bytes()
    with pytest.raises(SnapshotError, match="number=1 is taken"):
        taken.take(1)
    assert path.read_bytes() == content


def test_position_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"bound=0 to 2\*\*64 - 1"):
        write_snapshot(
            busy_table().segment,
            tmp_path,
            number=1,
            positions={"worker-0": -1},
            keeper_position=0,
            keeper_state=[],
            taken_at=0,
        )
    assert not list(tmp_path.iterdir())
