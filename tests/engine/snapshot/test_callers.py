"""Snapshots keep who is a spray caller, and the calls that may make others one."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.engine import Engine
from support.places import DATA
from support.robots import (
    CALLED,
    DAY_S,
    PERSON,
    ROBOT,
    calls,
    is_robot,
    robot_table,
    robots_of,
    send,
    week_spray,
)
from support.siphash import caller_mark
from support.small_table import ALICE, BOB, KEY, NUMBERS, START, SmallTable
from support.snapshot_files import Taken, small_blocks

from ringfence.engine.settings.new_segment import new_segment
from ringfence.engine.settings.policy import NO_SPRAY, Policy, Pool, Rule, Spray
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.snapshot import (
    SnapshotDamaged,
    check_snapshot,
    load_snapshot,
    read_header,
)
from ringfence.engine.snapshot.format import Kind
from ringfence.engine.snapshot.read import SnapshotFile
from ringfence.engine.snapshot.record_blocks import callers_bytes, callers_memory, copy_callers
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import Measure, Verdict

__all__ = ["small_blocks"]
pytestmark = pytest.mark.usefixtures("small_blocks")

SPRAY = week_spray(callers=1024)
VERSION_1 = DATA / "snapshot-version-1.rfs.gz"


def loaded(path: Path, spray: Spray = SPRAY) -> SmallTable:
    """The table of a snapshot, under these settings."""
    segment = new_segment(None, capacity_numbers=len(CALLED), spray=spray)
    load_snapshot(path, segment, threads=3)
    table = SmallTable(segment, TableWriter(segment), Engine(segment, caller_key=KEY))
    policy = Policy("policy", (Rule(Measure.EVENTS, 100, 0),))
    publish_settings(table.segment, [policy], [Pool("pool", "policy")])
    return table


def callers_of(table: SmallTable) -> bytes:
    return bytes(callers_memory(table.segment, 0, callers_bytes(table.segment.callers)))


@pytest.fixture
def table() -> SmallTable:
    """A robot, somebody who lacks one number to be one, and others of whom little is known."""
    table = robot_table(SPRAY)
    send(table, calls(CALLED[:9], ROBOT))
    send(table, calls(CALLED[:7], PERSON, first_s=20))
    for i in range(400):
        send(table, calls(CALLED[i % 90 : i % 90 + 3], 441632960000 + i, first_s=30 + i))
    return table


@pytest.fixture
def path(table: SmallTable, tmp_path: Path) -> Path:
    return Taken(table, tmp_path).take()


def test_callers_and_map_come_back_as_they_were(table: SmallTable, path: Path) -> None:
    again = loaded(path)
    assert callers_of(again) == callers_of(table)
    assert robots_of(again.segment) == robots_of(table.segment) == {caller_mark(KEY, ROBOT)}
    assert again.segment.spray_callers == 1
    assert again.engine.state_hash() == table.engine.state_hash()
    assert read_header(path).spray == SPRAY
    assert check_snapshot(path) == read_header(path)


def test_seven_calls_before_a_snapshot_and_one_after_it_make_a_robot(path: Path) -> None:
    again = loaded(path)
    assert send(again, calls(CALLED[7:8], PERSON, first_s=600)) == [True]
    assert send(again, calls(CALLED[50:51], ROBOT, first_s=600)) == [True]
    verdicts, _ = again.engine.check(np.array(CALLED[95:], np.uint64), now=START + 600)
    assert set(verdicts.tolist()) == {Verdict.CLEAN}


@pytest.mark.parametrize("callers", [16, 64, 4096, 2**16])
def test_table_of_another_size_begins_anew_and_the_map_stays(path: Path, callers: int) -> None:
    again = loaded(path, week_spray(callers=callers))
    assert not any(callers_of(again))
    assert is_robot(again)
    assert again.segment.spray_callers == 1
    assert send(again, calls(CALLED[7:8], PERSON, first_s=600)) == [False]
    assert send(again, calls(CALLED[50:51], ROBOT, first_s=600)) == [True]


@pytest.mark.parametrize(
    ("spray", "robots"),
    [
        (week_spray(numbers=7, callers=1024), [ROBOT, PERSON]),
        (Spray(8, 8, callers=1024), [ROBOT]),
        (Spray(8, 7, callers=1024), []),
        (Spray(7, 7, callers=1024), [ROBOT, PERSON]),
        (Spray(7, 6, callers=1024), []),
        (Spray(7, 400 * DAY_S, callers=64), []),  # another size too: no calls are kept
    ],
)
def test_other_settings_make_the_map_anew_from_the_calls_that_were_kept(
    path: Path, spray: Spray, robots: list[int]
) -> None:
    again = loaded(path, spray)
    assert robots_of(again.segment) == {caller_mark(KEY, robot) for robot in robots}
    assert again.segment.spray_callers == len(robots)


@pytest.mark.parametrize("spray", [NO_SPRAY, week_spray(numbers=0, callers=1024)])
def test_nothing_is_discounted_where_it_is_switched_off(path: Path, spray: Spray) -> None:
    again = loaded(path, spray)
    assert not robots_of(again.segment)
    told = again.engine.explain(CALLED[0], now=START + 10)
    assert told is not None
    assert [event.spray for event in told.recent] == [False]
    assert told.verdict == Verdict.NOISY
    assert not any(send(again, calls(CALLED[:20], ROBOT, first_s=700)))


def test_snapshot_of_a_table_without_callers_is_loaded_into_one_that_has_room(
    tmp_path: Path,
) -> None:
    table = robot_table(NO_SPRAY)
    send(table, calls(CALLED[:20]))
    path = Taken(table, tmp_path).take()
    with SnapshotFile(path) as file:
        assert not file.blocks_of(Kind.CALLERS)
    again = loaded(path)
    assert not robots_of(again.segment)
    assert send(again, calls(CALLED[:8], first_s=100))[-1]


def test_lower_bound_drops_those_that_were_silent_for_longest(tmp_path: Path) -> None:
    table = robot_table(SPRAY)
    robots = [441632960000 + i for i in range(20)]
    for i, robot in enumerate(robots):
        send(table, calls(CALLED[:8], robot, first_s=60 * i))
    path = Taken(table, tmp_path).take()
    again = loaded(path, week_spray(callers=1024, spray_callers_max=16))
    assert robots_of(again.segment) == {caller_mark(KEY, robot) for robot in robots[6:]}
    assert again.segment.spray_callers == 14


@pytest.mark.parametrize("spray", [SPRAY, week_spray(callers=64), NO_SPRAY])
@pytest.mark.parametrize("place", ["frame", "first", "middle", "last"])
def test_damage_among_the_callers_is_named_and_nothing_is_used(
    path: Path, spray: Spray, place: str
) -> None:
    with SnapshotFile(path) as file:
        blocks = file.blocks_of(Kind.CALLERS)
    block = {"first": blocks[0], "last": blocks[-1]}.get(place, blocks[len(blocks) // 2])
    at = block.offset + (3 if place == "frame" else 16 + block.size_bytes // 2)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    segment = new_segment(None, capacity_numbers=len(CALLED), spray=spray)
    with pytest.raises(SnapshotDamaged) as caught:
        load_snapshot(path, segment, threads=2)
    assert (caught.value.block, caught.value.offset) == (block.number, block.offset)
    assert segment.numbers == 0
    with pytest.raises(SnapshotDamaged):
        check_snapshot(path)


def test_snapshot_of_version_1_is_read(tmp_path: Path) -> None:
    """The file was written by the program that wrote this version."""
    path = tmp_path / "snapshot-0000000000000001.rfs"
    with gzip.open(VERSION_1) as packed, path.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    header = check_snapshot(path)
    assert (header.numbers, header.spray, header.positions) == (100, NO_SPRAY, {"worker-0": 17})
    again = loaded(path)
    assert again.engine.state_hash().hex().startswith("e59bb28e5e5dc089")
    rings = again.rings()
    assert [len(rings[number]) for number in [*NUMBERS, NUMBERS[0] + 50]] == [2] * 8 + [0]
    assert not robots_of(again.segment)  # settings of its own it had none
    assert send(again, calls(NUMBERS, ALICE, first_s=60)) == [False] * 7 + [True]
    assert send(again, calls(NUMBERS[:1], BOB, first_s=60)) == [False]


def test_copies_outside_the_caller_table_are_refused(table: SmallTable) -> None:
    whole = callers_bytes(1024)
    for first_byte, words in ((0, whole // 8 + 1), (whole, 1), (4, 1)):
        with pytest.raises(ValueError, match=f"first_byte={first_byte}, .*bound={whole}"):
            copy_callers(table.segment, first_byte, np.empty(words, np.uint64))
