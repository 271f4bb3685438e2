"""Slots of numbers that left are made ready a few at a time, and who holds them up is named."""

import asyncio
import struct
import threading
from collections.abc import Awaitable, Callable
from itertools import pairwise

import grpc
import pytest
from support.small_table import NUMBERS, START, SmallTable, make_table

from ringfence.engine.memory.segment import Segment
from ringfence.engine.words import FORMER_LIFE_S, Outcome, State
from ringfence.server.keeper.numbers import forgetting, room
from ringfence.server.keeper.numbers.forgetting import keep_forgetting
from ringfence.server.keeper.numbers.room import PATIENCE_S, Room
from ringfence.server.link.refusal import Refusal
from ringfence.server.state.former_lives import FormerLives

OTHERS = [number + 100 for number in NUMBERS]
INSERTING = 4096 + 48  # of worker 0, record.h
WORKER_BYTES = 64


class Clock:
    """Time that passes when it is told to, and by `step_s` whenever somebody looks."""

    def __init__(self) -> None:
        self.now = 100.0
        self.step_s = 0.0

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


def left_table() -> SmallTable:
    """A full table, of which all numbers have left."""
    table = make_table(numbers=NUMBERS, capacity_numbers=len(NUMBERS))
    for number in NUMBERS:
        table.writer.set_state(number, State.FREE, since=START + 5)
    return table


def begin_insert(segment: Segment, worker: int, epoch: int = 1) -> None:
    """A worker is in the middle of an insert; 0 = it is done."""
    struct.pack_into("<Q", segment.view(), INSERTING + worker * WORKER_BYTES, epoch)


def beside(work: Callable[[], Awaitable[None]], then: Callable[[], Awaitable[None]]) -> None:
    """Runs something that never ends beside something that does."""

    async def run() -> None:
        tasks = [asyncio.ensure_future(each()) for each in (work, then)]
        await asyncio.wait(tasks, timeout=30.0, return_when=asyncio.FIRST_COMPLETED)
        done = [task for task in tasks if task.done()]
        for task in done:
            await task
        assert done == tasks[1:]
        tasks[0].cancel()

    asyncio.run(run())


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PERIOD_S", "STEP_PERIOD_S"):
        monkeypatch.setattr(room, name, 0.0)


def test_slots_leave_the_index_and_become_ready_a_few_at_a_time(monkeypatch) -> None:
    monkeypatch.setattr(room, "NUMBERS_A_STEP", 2)
    table = left_table()
    slots = table.writer.slots
    free, ready = [8], [0]
    begin_insert(table.segment, 0)

    async def look() -> None:
        for _ in range(20):
            free.append(slots.free)
            await asyncio.sleep(0)
        assert (slots.leaving, slots.ready) == (8, 0)
        begin_insert(table.segment, 0, 0)
        for _ in range(20):
            ready.append(slots.ready)
            await asyncio.sleep(0)

    beside(Room(slots).keep, look)
    assert (free[-1], ready[-1]) == (0, 8)
    assert {before - after for before, after in pairwise(free)} == {0, 2}
    assert {after - before for before, after in pairwise(ready)} == {0, 2}


def test_no_more_slots_are_made_ready_than_large_commands_need(monkeypatch) -> None:
    monkeypatch.setattr(room, "AHEAD_NUMBERS", 3)
    slots = left_table().writer.slots

    async def look() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    beside(Room(slots).keep, look)
    assert (slots.ready, slots.free, slots.leaving) == (3, 5, 0)


def test_who_wants_more_waits_until_they_are_ready(monkeypatch) -> None:
    monkeypatch.setattr(room, "NUMBERS_A_STEP", 2)
    table = left_table()
    asyncio.run(Room(table.writer.slots).make(5))
    assert 5 <= table.writer.slots.ready <= 6
    assert table.quarantine(OTHERS[:5]) == [Outcome.QUARANTINED] * 5


def test_who_wants_more_than_there_can_be_does_not_wait() -> None:
    slots = left_table().writer.slots
    asyncio.run(Room(slots).make(len(NUMBERS) + 1))  # the table says that it is full
    assert slots.ready == len(NUMBERS)


def test_who_waits_for_a_stopped_worker_is_refused_at_last_with_its_name() -> None:
    table, clock = left_table(), Clock()
    begin_insert(table.segment, 3)
    clock.step_s = 0.5
    began = clock.now
    with pytest.raises(Refusal) as caught:
        asyncio.run(Room(table.writer.slots, clock).make(1))
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.UNAVAILABLE, "KEEPER")
    assert "slots of 1 numbers that left are held up by worker-3 for" in str(caught.value)
    assert PATIENCE_S <= clock.now - began < PATIENCE_S + 4.0


def test_who_waits_goes_on_when_the_insert_is_done() -> None:
    table = left_table()
    begin_insert(table.segment, 3)

    async def end_insert() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        assert table.writer.slots.ready == 0
        begin_insert(table.segment, 3, 0)

    async def both() -> None:
        await asyncio.gather(Room(table.writer.slots).make(8), end_insert())

    asyncio.run(both())
    assert table.writer.slots.ready == 8


def test_insert_that_is_done_at_the_last_moment_is_no_refusal() -> None:
    table, clock = left_table(), Clock()
    begin_insert(table.segment, 3)
    clock.step_s = 0.5

    class Last(Clock):
        def __call__(self) -> float:
            if clock() >= 102.0 + PATIENCE_S:  # that is too late, by one look
                begin_insert(table.segment, 3, 0)
            return clock.now

    asyncio.run(Room(table.writer.slots, Last()).make(1))
    assert table.writer.slots.ready == 1


def test_patience_is_with_a_worker_that_stands_still_and_not_with_slow_work(monkeypatch) -> None:
    monkeypatch.setattr(room, "NUMBERS_A_STEP", 1)
    table, clock = left_table(), Clock()
    clock.step_s = PATIENCE_S / 4  # longer for all than patience is

    async def work() -> None:
        await Room(table.writer.slots, clock).make(8)

    began = clock.now
    asyncio.run(work())
    assert clock.now - began > PATIENCE_S


def test_being_held_up_is_worth_a_word_after_a_while_and_until_it_is_over() -> None:
    table, clock = left_table(), Clock()
    kept = Room(table.writer.slots, clock)
    begin_insert(table.segment, 0)
    begin_insert(table.segment, 5)

    async def turns() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def look() -> None:
        await turns()
        assert kept.held_up == ""
        clock.now += 7.0
        assert kept.held_up == (
            "slots of 8 numbers that left are held up by worker-0, worker-5 for 7 s"
        )
        begin_insert(table.segment, 0, 0)
        assert "by worker-5 for 7 s" in kept.held_up
        begin_insert(table.segment, 5, 0)
        assert kept.held_up == ""
        await turns()
        assert table.writer.slots.ready == 8
        begin_insert(table.segment, 5)  # holds up nothing now
        clock.now += 7.0
        assert kept.held_up == ""
        table.quarantine(OTHERS[:1])
        table.writer.set_state(OTHERS[0], State.FREE, since=START + 5)
        await turns()
        assert table.writer.slots.leaving == 1
        assert kept.held_up == "", "only now, and not for 14 s"

    beside(kept.keep, look)


def test_former_lives_are_forgotten_when_the_kept_snapshots_lie_behind_them(monkeypatch) -> None:
    monkeypatch.setattr(forgetting, "PERIOD_S", 0.0)
    lives, asked, askers = FormerLives(10), asyncio.Event(), set()
    loops, taken_at = [], [0]

    def kept_since() -> int:
        askers.add(threading.current_thread())
        loops[0].call_soon_threadsafe(asked.set)
        return taken_at[0]

    async def work() -> None:
        loops.append(asyncio.get_running_loop())
        await keep_forgetting(lives, kept_since)

    async def look() -> None:
        await asked.wait()
        assert lives.over == 0
        taken_at[0] = START + FORMER_LIFE_S
        for _ in range(2):  # the first may have been asked before
            asked.clear()
            await asked.wait()
        await asyncio.sleep(0)
        assert lives.over == START

    beside(work, look)
    assert threading.main_thread() not in askers, "it reads a folder"
