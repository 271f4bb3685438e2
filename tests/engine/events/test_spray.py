"""The map of spray callers: how many there may be, who is dropped, and what it holds for long."""

import os
import random
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from support.engine import Engine
from support.robots import (
    CALLED,
    DAY_S,
    LATER,
    PERSON,
    ROBOT,
    calls,
    is_robot,
    robot_table,
    robots_of,
    send,
    told_apart,
    week_spray,
)
from support.siphash import caller_mark
from support.small_table import KEY, START, Event, SmallTable, insert
from support.snapshot_files import segment_path
from support.writing_processes import start

from ringfence.engine.events.spray import adopt_spray, drop_silent
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import NO_SPRAY, Spray
from ringfence.engine.settings.reading import read_spray
from ringfence.engine.settings.writing import publish_spray
from ringfence.engine.snapshot.record_blocks import SPRAY_MAP_BYTES, spray_map_memory

__all__ = ["segment_path"]

ROUNDS = int(os.environ.get("RINGFENCE_KILL_ROUNDS", "10")) // 5
ROBOTS = [441632960000 + i for i in range(100)]
PEOPLE = [442079460000 + i for i in range(100)]
EIGHT = told_apart(CALLED, 8)
MILLION = 1_000_000


def robots_call(table: SmallTable, robots: list[int], first_s: int = 0) -> None:
    """Each becomes a robot, a minute after the one before."""
    for i, robot in enumerate(robots):
        send(table, calls(EIGHT, robot, first_s=first_s + 60 * i))


def marks_of(callers: list[int]) -> set[int]:
    return {caller_mark(KEY, caller) for caller in callers}


def changed(table: SmallTable, spray: Spray) -> int:
    """Changes the settings of a table that nobody uses, as a start does; how many it dropped."""
    made_under = read_spray(table.segment)
    publish_spray(table.segment, spray)
    table.engine = Engine(table.segment, caller_key=KEY)
    return adopt_spray(table.segment, made_under)


@pytest.mark.parametrize("most", [1, 3, 16])
def test_no_more_robots_are_known_than_may_be(most: int) -> None:
    table = robot_table(week_spray(callers=1024, spray_callers_max=most))
    robots_call(table, ROBOTS[:20])
    assert robots_of(table.segment) == marks_of(ROBOTS[:most])
    assert table.segment.spray_callers == most
    last = calls(CALLED[10:12], ROBOTS[most], first_s=3600)
    assert not any(send(table, last))  # those beyond are people still


def test_robots_that_were_silent_for_longest_are_dropped_and_others_take_their_place() -> None:
    table = robot_table(week_spray(callers=1024, spray_callers_max=16))
    robots_call(table, ROBOTS[:15])
    assert drop_silent(table.segment) == 0
    robots_call(table, ROBOTS[15:16], 1000)
    send(table, calls(CALLED[:1], ROBOTS[0], first_s=5000))  # calls once more
    assert drop_silent(table.segment) == 2
    assert robots_of(table.segment) == marks_of([ROBOTS[0], *ROBOTS[3:16]])
    assert table.segment.spray_callers == 14
    robots_call(table, ROBOTS[16:30], 6000)
    assert robots_of(table.segment) == marks_of([ROBOTS[0], *ROBOTS[3:18]])
    assert table.segment.spray_callers == 16


def test_dropped_robot_that_calls_again_is_one_again() -> None:
    table = robot_table(week_spray(callers=1024, spray_callers_max=8))
    robots_call(table, ROBOTS[:8])
    assert drop_silent(table.segment) == 1
    assert send(table, calls(CALLED[8:9], ROBOTS[0], first_s=600)) == [True]


def test_robot_whose_finder_was_killed_before_saying_so_is_found_when_the_call_is_sent_again() -> (
    None
):
    table = robot_table()
    send(table, calls(CALLED[:8]))
    spray_map_memory(table.segment)[:] = bytes(SPRAY_MAP_BYTES)
    assert send(table, calls(CALLED[7:8], first_s=7)) == [True]
    assert is_robot(table)


def test_few_robots_that_may_be_are_replaced_too() -> None:
    table = robot_table(week_spray(callers=1024, spray_callers_max=2))
    robots_call(table, ROBOTS[:3])
    assert drop_silent(table.segment) == 1
    assert robots_of(table.segment) == marks_of(ROBOTS[1:2])
    assert send(table, calls(CALLED[8:9], ROBOTS[2], first_s=600)) == [True]


def test_robot_that_the_table_has_forgotten_is_dropped_first() -> None:
    table = robot_table(week_spray(callers=16, spray_callers_max=8))
    robots_call(table, ROBOTS[:8], 2000)
    for i in range(16):
        send(table, calls(CALLED[:1], PEOPLE[i], first_s=10_000 + i))
    send(table, [(CALLED[0], r, START + 20_000, 1) for r in ROBOTS[1:8]])
    assert drop_silent(table.segment) == 1
    assert robots_of(table.segment) == marks_of(ROBOTS[1:8])


@pytest.mark.parametrize(
    ("spray", "robot"),
    [
        (week_spray(numbers=4, callers=1024), True),
        (Spray(8, 30, callers=1024), False),
        (Spray(8, 7 * DAY_S, callers=1024), False),
        (Spray(6, 31, callers=1024), True),
        (Spray(6, 30, callers=1024), False),
        (week_spray(numbers=0, callers=1024), False),
    ],
)
def test_other_settings_make_the_map_anew_from_the_calls_that_are_kept(
    spray: Spray, robot: bool
) -> None:
    table = robot_table(Spray(6, 31, callers=1024))
    send(table, calls(CALLED[:6], every_s=6))
    send(table, calls(CALLED[:3], PERSON))
    assert is_robot(table)
    assert changed(table, spray) == 0
    assert is_robot(table) == robot
    assert not is_robot(table, PERSON)
    assert table.segment.spray_callers == len(robots_of(table.segment)) == robot
    assert read_spray(table.segment) == spray


def test_same_settings_keep_a_robot_whose_calls_are_forgotten() -> None:
    table = robot_table(week_spray(callers=16))
    robots_call(table, ROBOTS[:1])
    for i in range(16):
        send(table, calls(CALLED[:1], PEOPLE[i], first_s=10_000 + i))
    assert changed(table, week_spray(callers=16)) == 0
    assert is_robot(table, ROBOTS[0])
    assert changed(table, week_spray(window_s=6 * DAY_S, callers=16)) == 0
    assert not is_robot(table, ROBOTS[0])


def test_count_is_put_right_at_a_start() -> None:
    table = robot_table()
    robots_call(table, ROBOTS[:3])
    at = bytes(table.segment.view()[:4096]).index((3).to_bytes(8, "little"))
    table.segment.view()[at] = 9
    assert table.segment.spray_callers == 9
    changed(table, read_spray(table.segment))
    assert table.segment.spray_callers == 3


def test_lower_bound_keeps_those_that_called_last() -> None:
    table = robot_table()
    robots_call(table, ROBOTS[:30])
    assert changed(table, week_spray(callers=1024, spray_callers_max=16)) == 16
    assert robots_of(table.segment) == marks_of(ROBOTS[16:30])


def test_switched_off_table_without_room_for_callers_drops_nobody() -> None:
    table = robot_table(NO_SPRAY)
    assert drop_silent(table.segment) == 0
    assert changed(table, NO_SPRAY) == 0


# --- several processes ---


def events_of(callers: list[int], numbers: int) -> list[Event]:
    """Three calls of each caller to so many numbers, at times that no two of them share."""
    return [
        (CALLED[(7 * i + j) % len(CALLED)], caller, START + 3000 * turn + 30 * i + j, 1)
        for turn in range(3)
        for i, caller in enumerate(callers)
        for j in range(numbers)
    ]


def send_shuffled(line: Connection, path: str, worker: int, seed: int) -> None:
    """Inserts all calls of robots and people in an order of its own, over and over."""
    chance = random.Random(seed)
    engine = Engine(Segment.open(path), caller_key=KEY, worker=worker)
    events = events_of(ROBOTS, 8) + events_of(PEOPLE, 7)
    line.send("ready")
    line.recv()
    while True:
        chance.shuffle(events)
        for begin in range(0, len(events), 200):
            insert(engine, events[begin : begin + 200], LATER)
        line.send("turn")


@pytest.mark.parametrize("callers", [16, 64, 4096])
@pytest.mark.slow
def test_processes_that_are_killed_mark_no_person_and_lose_nothing_that_is_sent_again(
    segment_path: Path, callers: int
) -> None:
    seed = 21
    print(f"seed={seed}, rounds={ROUNDS}")
    chance = random.Random(seed)
    table = robot_table(week_spray(callers=callers), path=segment_path, ring_entries=60)
    people = {
        number: sorted(
            at << 32 | caller_mark(KEY, caller) << 8 | kind
            for called, caller, at, kind in events_of(PEOPLE, 7)
            if called == number
        )
        for number in CALLED
    }
    for turn in range(ROUNDS):
        segment_path.unlink(missing_ok=True)
        table = robot_table(week_spray(callers=callers), path=segment_path, ring_entries=60)
        senders = [start(send_shuffled, str(segment_path), i, 1000 * turn + i) for i in range(3)]
        for _, line in senders:
            line.send("go")
        enough = chance.randrange(1, 9000)
        while sum(counted.accepted for counted in table.segment.counters()) < enough:
            assert not robots_of(table.segment) & marks_of(PEOPLE)
        for process, _ in senders:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            assert process.exitcode == -signal.SIGKILL
        insert(table.engine, events_of(ROBOTS, 8) + events_of(PEOPLE, 7), LATER)
        assert not robots_of(table.segment) & marks_of(PEOPLE)
        known = robots_of(table.segment)
        assert len(known) <= table.segment.spray_callers <= len(known) + len(senders)
        if callers == 4096:  # smaller ones forget
            assert known == marks_of(ROBOTS)
        robots = marks_of(ROBOTS)
        kept = {
            n: [e for e in ring if e >> 8 & 0xFFFFFF not in robots]
            for n, ring in table.rings().items()
        }
        assert kept == people


def become_robots(line: Connection, path: str, worker: int) -> None:
    """Makes one robot after the other, over and over, until it is killed."""
    engine = Engine(Segment.open(path), caller_key=KEY, worker=worker)
    line.send("ready")
    line.recv()
    for turn in range(10**9):
        for i, robot in enumerate(ROBOTS[worker::2]):
            insert(engine, calls(CALLED[:8], robot, first_s=10 * turn + i), LATER)


@pytest.mark.slow
def test_bound_holds_while_robots_are_found_and_dropped_at_once(segment_path: Path) -> None:
    table = robot_table(week_spray(callers=4096, spray_callers_max=40), path=segment_path)
    senders = [start(become_robots, str(segment_path), worker) for worker in range(2)]
    for _, line in senders:
        line.send("go")
    dropped = 0
    while dropped < 100:
        assert len(robots_of(table.segment)) <= 40
        dropped += drop_silent(table.segment)
    for process, _ in senders:
        process.kill()
        process.join()
    known = len(robots_of(table.segment))
    assert known <= table.segment.spray_callers <= min(40, known + len(senders))


# --- a million callers ---


def rss_anonymous_bytes() -> int:
    """Memory of this process that belongs to no file."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])


def strangers_call(engine: Engine, first: int, count: int, at_s: int) -> None:
    """So many callers of a million, each of whom calls once, a thousand a second."""
    callers = np.arange(first, first + count, dtype=np.uint64)
    engine.insert(
        np.array(CALLED, np.uint64)[callers % np.uint64(len(CALLED))],
        callers | np.uint64(1 << 63),
        (START + at_s + np.arange(count) // 1000).astype(np.uint32),
        np.ones(count, np.int32),
        now=LATER,
    )


@pytest.mark.slow
def test_million_callers_neither_grow_memory_nor_become_robots(segment_path: Path) -> None:
    table = robot_table(week_spray(callers=1 << 14), path=segment_path)
    size_bytes = segment_path.stat().st_size
    silent, busy = PERSON, ROBOT
    send(table, calls(CALLED[:7], silent, every_s=0))
    grown = []
    for second in range(0, MILLION // 1000, 4):
        send(table, calls(CALLED[:7], busy, first_s=second, every_s=0))
        strangers_call(table.engine, 1000 * second, 4000, second)
        grown.append(rss_anonymous_bytes())
    assert max(grown) - grown[10] < 8 * 2**20, grown
    stat = segment_path.stat()
    assert stat.st_size == stat.st_blocks * 512 == table.segment.size_bytes == size_bytes
    assert table.segment.counters()[0].accepted > MILLION
    assert not robots_of(table.segment)
    assert not any(send(table, calls(CALLED[7:8], silent, first_s=1000)))  # it is forgotten
    assert send(table, calls(CALLED[7:8], busy, first_s=1000)) == [True]


@pytest.mark.slow
def test_callers_who_share_a_mark_are_few() -> None:
    """With S robots S / 2**24 of all others are taken for one, so as many as may be are bounded."""
    table = robot_table()
    marks = np.random.default_rng(1).choice(2**24, 131_071, replace=False)
    spray_map = np.frombuffer(spray_map_memory(table.segment), np.uint8)
    np.bitwise_or.at(spray_map, marks >> 3, (1 << (marks & 7)).astype(np.uint8))
    assert adopt_spray(table.segment, read_spray(table.segment)) == 0
    assert table.segment.spray_callers == len(robots_of(table.segment)) == 131_071
    strangers_call(table.engine, 1 << 32, 65_536, 0)
    assert 400 < table.segment.counters()[0].spray < 620  # 65,536 / 128 = 512
