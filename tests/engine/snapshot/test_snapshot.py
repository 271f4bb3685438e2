"""A snapshot brings back the table that was written, into any table with room for it."""

import gc
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.engine import Engine
from support.small_table import NUMBERS, START, SmallTable, a_call, insert, make_table
from support.snapshot_files import (
    BLOCK_BYTES,
    HAND_OUTS,
    KEEPER_PARTS,
    MANY,
    POSITIONS,
    Taken,
    busy_table,
    empty_segment,
    loaded,
    small_blocks,
)

from ringfence.engine.memory.segment import RING_ENTRIES, Segment
from ringfence.engine.snapshot import (
    SnapshotDamaged,
    SnapshotError,
    check_snapshot,
    list_snapshots,
    load_snapshot,
    prune_snapshots,
    read_hand_outs,
    read_header,
    read_keeper_state,
    snapshot_number,
    write_snapshot,
)
from ringfence.engine.snapshot.record_blocks import (
    copy_records,
    copy_spray_map,
    index_records,
    records_memory,
    set_numbers,
    spray_map_memory,
)
from ringfence.engine.table.records import record_dtype
from ringfence.engine.table.writer import TableFull, TableWriter
from ringfence.engine.words import FORMER_LIFE_S, State

__all__ = ["small_blocks"]
pytestmark = pytest.mark.usefixtures("small_blocks")

GENERATION_ONE = 1 << 8  # of a record's control word: set while a header changes


def records(table: SmallTable) -> dict[int, bytes]:
    """Every record of a table, by number."""
    return {int(row["key"]) % 2**50: row.tobytes() for row in table.engine.records()}


def answers(table: SmallTable) -> list[tuple[int, int]]:
    """Verdict and clean_at of every number."""
    verdicts, clean_at = table.engine.check(np.array(MANY, np.uint64), now=START + 2000)
    return list(zip(verdicts.tolist(), clean_at.tolist(), strict=True))


@pytest.mark.parametrize("ring_entries", RING_ENTRIES)
def test_loaded_table_equals_the_one_that_was_written(tmp_path: Path, ring_entries: int) -> None:
    table = busy_table(ring_entries=ring_entries)
    path = Taken(table, tmp_path).take()
    again = loaded(path, ring_entries=ring_entries)
    assert again.segment.numbers == len(MANY)
    assert again.engine.state_hash() == table.engine.state_hash()
    assert records(again) == records(table)  # events_total too
    assert bytes(spray_map_memory(again.segment)) == bytes(spray_map_memory(table.segment))
    assert answers(again) == answers(table)
    for number in MANY[:50]:  # as a ring is read, not only as it lies in memory
        seen = [each.engine.explain(number, now=START + 10**6) for each in (again, table)]
        assert seen[0] is not None and seen[0].recent
        assert seen[0] == seen[1]


def test_table_in_blocks_of_the_real_size_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    table = busy_table()
    path = Taken(table, tmp_path).take()
    assert read_header(path).block_bytes == 4 * 2**20
    assert records(loaded(path)) == records(table)


def test_snapshot_in_blocks_of_another_size_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = busy_table()
    path = Taken(table, tmp_path).take()
    monkeypatch.undo()
    assert read_header(path).block_bytes == BLOCK_BYTES
    assert records(loaded(path)) == records(table)


def test_header_says_what_was_given(tmp_path: Path) -> None:
    segment = Segment.create(None, capacity_numbers=9, ring_entries=28, folder_id=bytes(range(16)))
    path = Taken(SmallTable(segment, TableWriter(segment), Engine(segment)), tmp_path).take(123)
    assert path == tmp_path / "snapshot-0000000000000123.rfs"
    header = read_header(path)
    assert header.number == snapshot_number(path) == 123
    assert header.folder_id == bytes(range(16))
    assert (header.ring_entries, header.record_bytes, header.numbers) == (28, 256, 0)
    assert header.taken_at == START + 1000
    assert header.positions == POSITIONS
    assert (header.keeper_position, header.keeper_state_position) == (5, 6)
    assert header.keeper_state_bytes == sum(len(part) + 4 for part in KEEPER_PARTS)
    assert list(read_keeper_state(path)) == KEEPER_PARTS
    assert b"".join(map(bytes, read_hand_outs(path))) == b"".join(HAND_OUTS)
    assert check_snapshot(path) == header


def test_keepers_state_stands_for_its_position_unless_another_is_given(tmp_path: Path) -> None:
    path = write_snapshot(
        empty_segment(),
        tmp_path,
        number=1,
        positions={},
        keeper_position=7,
        keeper_state=[],
        taken_at=0,
    )
    assert read_header(path).keeper_state_position == 7
    assert [*read_keeper_state(path), *read_hand_outs(path)] == []


def test_empty_table_comes_back_empty(tmp_path: Path) -> None:
    path = Taken(busy_table(numbers=0), tmp_path).take()
    again = loaded(path)
    assert again.segment.numbers == 0
    assert again.quarantine(NUMBERS) == [0] * len(NUMBERS)


def test_larger_table_takes_a_snapshot_and_more_numbers(tmp_path: Path) -> None:
    table = busy_table(numbers=500)
    path = Taken(table, tmp_path).take()
    again = loaded(path, capacity_numbers=1000)
    assert again.engine.state_hash() == table.engine.state_hash()
    assert again.quarantine(MANY[500:]) == [0] * 500
    assert insert(again.engine, [a_call(MANY[-1])]).accepted == 1
    assert set(records(again)) == set(MANY)


def test_smaller_table_is_refused_with_both_figures_and_stays_empty(tmp_path: Path) -> None:
    path = Taken(busy_table(), tmp_path).take()
    segment = empty_segment(capacity_numbers=999)
    with pytest.raises(SnapshotError, match="numbers=1000, capacity=999"):
        load_snapshot(path, segment, threads=2)
    assert segment.numbers == 0


def test_table_of_another_k_is_refused(tmp_path: Path) -> None:
    path = Taken(busy_table(), tmp_path).take()
    with pytest.raises(SnapshotError, match="ring_entries=12, segment=28"):
        load_snapshot(path, empty_segment(ring_entries=28), threads=2)


def test_table_in_use_is_refused(tmp_path: Path) -> None:
    path = Taken(busy_table(), tmp_path).take()
    table = make_table()
    with pytest.raises(SnapshotError, match=f"numbers={len(NUMBERS)}, bound=0"):
        load_snapshot(path, table.segment, threads=2)
    assert set(records(table)) == set(NUMBERS)


def test_segment_closes_after_a_snapshot_was_loaded(tmp_path: Path) -> None:
    path = Taken(busy_table(), tmp_path).take()
    segment = empty_segment()
    load_snapshot(path, segment, threads=2)
    gc.collect()
    segment.close()


def test_header_copied_in_mid_change_is_settled_in_its_old_state(tmp_path: Path) -> None:
    table = busy_table()
    before = table.writer.header(MANY[40])
    at = 40 * table.segment.record_bytes + 8
    memory = records_memory(table.segment, 0, table.segment.record_bytes * len(MANY))
    (control,) = struct.unpack_from("<Q", memory, at)
    struct.pack_into("<Q", memory, at, control + GENERATION_ONE)
    path = Taken(table, tmp_path).take()
    segment = empty_segment()
    load_snapshot(path, segment, threads=2)  # and no TableWriter, which would repair it
    assert not (Engine(segment).records()["control"] & np.uint64(GENERATION_ONE)).any()
    assert loaded(path).writer.header(MANY[40]) == before


def test_numbers_that_come_during_the_copy_are_left_to_the_journal(tmp_path: Path) -> None:
    table = make_table(numbers=MANY[:600], capacity_numbers=1000)
    more = iter(MANY[600:])

    def quarantine_one(done: int, total: int) -> None:
        table.quarantine([next(more)])

    path = write_snapshot(
        table.segment,
        tmp_path,
        number=1,
        positions={},
        keeper_position=0,
        keeper_state=[],
        taken_at=0,
        progress=quarantine_one,
    )
    assert table.segment.numbers > 600
    assert read_header(path).numbers == 600
    assert set(records(loaded(path))) == set(MANY[:600])


def test_slots_of_numbers_that_left_are_there_for_others(tmp_path: Path) -> None:
    table = busy_table()
    for number in MANY[::2]:
        table.writer.set_state(number, State.FREE, since=START + 5)
    assert table.writer.slots.part(100) == 100
    assert table.writer.slots.empty(40) == 40
    again = loaded(Taken(table, tmp_path).take())
    assert again.segment.numbers == len(MANY)
    slots = again.writer.slots
    assert (slots.in_use, slots.ready, slots.free) == (500, 40, 460)
    others = [MANY[-1] + 1 + i for i in range(500)]
    assert again.quarantine(others, START) == [0] * 500
    assert again.writer.slots.in_use == len(MANY)
    with pytest.raises(TableFull):
        again.quarantine([others[-1] + 1], START)


def test_number_that_left_keeps_its_moment(tmp_path: Path) -> None:
    table = busy_table()
    table.writer.set_state(MANY[1], State.FREE, since=START + 5)
    again = loaded(Taken(table, tmp_path).take())
    assert again.writer.earliest_quarantine(MANY[1]) == START + 5 + FORMER_LIFE_S


def double(table: SmallTable, at: int, *, of: int, begin: int, state: State) -> None:
    """Makes a record of the number of another one."""
    memory = records_memory(table.segment, 0, len(MANY) * table.segment.record_bytes)
    rows = np.frombuffer(memory, record_dtype(table.segment.ring_entries))
    rows[at] = rows[of]
    rows["quarantined_at"][at] = begin
    rows["control"][at] = int(state) | START + 9 << 32


@pytest.mark.parametrize(
    ("state", "begin", "is_kept"),
    [
        (State.FREE, START + 1, False),
        (State.QUARANTINED, START + 1, True),
        (State.QUARANTINED, START - 1, False),
    ],
)
@pytest.mark.parametrize("places", [(500, 3), (3, 500)])
def test_of_a_number_that_is_there_twice_the_later_life_is_kept(
    tmp_path: Path, state: State, begin: int, is_kept: bool, places: tuple[int, int]
) -> None:
    at, of = places
    table = busy_table()
    assert table.writer.header(MANY[of]).quarantined_at == START
    double(table, at, of=of, begin=begin, state=state)
    again = loaded(Taken(table, tmp_path).take())
    assert again.writer.header(MANY[of]).quarantined_at == (begin if is_kept else START)
    assert again.writer.header(MANY[at]) is None
    assert again.writer.slots.in_use == len(MANY) - 1
    assert again.writer.slots.ready == 1
    others = set(records(table)) - {MANY[of]}
    assert others < set(records(again))


def test_record_without_a_number_is_not_taken(tmp_path: Path) -> None:
    table = busy_table()
    memory = records_memory(table.segment, 500, table.segment.record_bytes)
    struct.pack_into("<Q", memory, 0, 0)
    path = Taken(table, tmp_path).take()
    segment = empty_segment()
    with pytest.raises(SnapshotDamaged, match="record=500 has no number of its own"):
        load_snapshot(path, segment, threads=2)
    assert segment.numbers == 0


def test_progress_is_told_and_ends_at_the_total(tmp_path: Path) -> None:
    path = Taken(busy_table(), tmp_path).take()
    told: list[tuple[int, int]] = []
    segment = empty_segment()
    load_snapshot(path, segment, threads=2, progress=lambda *said: told.append(said))
    assert told == [(done, 128_000) for done in [*range(4096, 128_000, 4096), 128_000]]
    told.clear()
    check_snapshot(path, progress=lambda *said: told.append(said))
    assert told == sorted(told) and told[-1] == (path.stat().st_size,) * 2


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    assert Taken(busy_table(), tmp_path).take().stat().st_mode & 0o777 == 0o600


def test_snapshots_are_listed_newest_first_and_pruned_from_the_oldest(tmp_path: Path) -> None:
    taken = Taken(busy_table(numbers=10), tmp_path)
    paths = {number: taken.take(number) for number in (9, 10, 2, 100)}
    for name in ("snapshot-7.rfs", "snapshot-0000000000000001.rfs.bak", "readme"):
        (tmp_path / name).touch()
    assert list_snapshots(tmp_path) == [paths[n] for n in (100, 10, 9, 2)]
    assert prune_snapshots(tmp_path) == [paths[9], paths[2]]
    assert list_snapshots(tmp_path) == [paths[100], paths[10]]
    assert prune_snapshots(tmp_path, keep=5) == []
    assert (tmp_path / "readme").exists()


def test_nothing_is_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="value=0, bound=1 or more"):
        prune_snapshots(tmp_path, keep=0)


@pytest.mark.slow
def test_threads_that_index_at_once_lose_no_number() -> None:
    seed = 31
    print(f"seed={seed}")
    chance = np.random.default_rng(seed)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            segment = empty_segment(capacity_numbers=20_000)
            memory = records_memory(segment, 0, 20_000 * segment.record_bytes)
            keys, controls = np.frombuffer(memory, np.uint64).reshape(20_000, -1).T[:2]
            controls[:] = State.QUARANTINED
            keys[:] = 999 * 10**9 + chance.permutation(20_000)
            shares = [(segment, first, 5_000) for first in range(0, 20_000, 5_000)]
            assert not any(map(len, pool.map(index_records, *zip(*shares, strict=True))))
            set_numbers(segment, 20_000)
            writer = TableWriter(segment)
            assert [key for key in keys.tolist() if writer.header(key) is None] == []


@pytest.mark.parametrize(
    ("first", "size_bytes"), [(0, 129), (0, 17 * 128), (16, 128), (2**64 - 1, 128)]
)
def test_memory_outside_the_table_is_not_given(first: int, size_bytes: int) -> None:
    segment = make_table().segment  # of 16 numbers
    with pytest.raises(ValueError, match="capacity=16"):
        records_memory(segment, first, size_bytes)


def test_copies_outside_the_table_are_refused() -> None:
    segment = make_table().segment
    with pytest.raises(ValueError, match="capacity=16"):
        copy_records(segment, 1, np.empty(16 * 16, np.uint64))
    with pytest.raises(ValueError, match="capacity=16"):
        index_records(segment, 10, 7)
    with pytest.raises(ValueError, match="capacity=16"):
        set_numbers(segment, 17)
    with pytest.raises(ValueError, match="bytes=8, bound=2097152"):
        copy_spray_map(segment, np.empty(1, np.uint64))
