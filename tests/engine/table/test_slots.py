"""Slots of numbers that left become those of others, once nobody can hold them any more."""

import struct
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine import Engine
from support.small_table import KEY, NUMBERS, START, SmallTable, a_call, insert, make_table

from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.writer import SlotsHeld, TableFull, TableWriter
from ringfence.engine.words import FORMER_LIFE_S, Outcome, State

OTHERS = [number + 100 for number in NUMBERS]
COUNTERS_OFFSET, COUNTERS_BYTES, INSERTING = 4096, 64, 48  # record.h


def full_table() -> SmallTable:
    return make_table(numbers=NUMBERS, capacity_numbers=len(NUMBERS))


def leave(table: SmallTable, numbers: Iterable[int], since: int = START + 5) -> None:
    for number in numbers:
        table.writer.set_state(number, State.FREE, since=since)


def begin_insert(segment: Segment, worker: int, epoch: int) -> None:
    """A worker is in the middle of an insert that it began in an epoch; 0 = it is done."""
    at = COUNTERS_OFFSET + worker * COUNTERS_BYTES + INSERTING
    struct.pack_into("<Q", segment.view(), at, epoch)


def test_numbers_that_left_make_room_for_others() -> None:
    table = full_table()
    leave(table, NUMBERS[:5])
    assert table.quarantine(OTHERS[:5]) == [Outcome.QUARANTINED] * 5
    with pytest.raises(TableFull, match="new numbers=1, free=0, capacity=8"):
        table.quarantine(OTHERS[5:6])
    assert [table.writer.header(number) is None for number in NUMBERS] == [True] * 5 + [False] * 3
    assert set(table.rings()) == {*NUMBERS[5:], *OTHERS[:5]}


def test_number_that_comes_back_has_its_own_slot() -> None:
    table = make_table(capacity_numbers=2 * len(NUMBERS))
    before = [int(key) for key in table.engine.records()["key"]]
    leave(table, NUMBERS)
    assert table.writer.slots.in_use == 0
    assert table.quarantine(NUMBERS, START + 5 + FORMER_LIFE_S) == [Outcome.QUARANTINED] * 8
    assert [int(key) for key in table.engine.records()["key"]] == before
    assert table.writer.slots.in_use == 8


def test_slot_is_given_on_with_an_empty_ring() -> None:
    table = full_table()
    insert(table.engine, [a_call(number, START + 1) for number in NUMBERS])
    leave(table, NUMBERS)
    table.quarantine(OTHERS)
    assert all(ring == [] for ring in table.rings().values())
    assert not table.engine.records()["events_total"].any()
    insert(table.engine, [a_call(NUMBERS[0], START + 1)])
    assert all(ring == [] for ring in table.rings().values())


@pytest.mark.parametrize("worker", [0, 5, 63])
def test_slots_wait_for_inserts_that_began_before_they_left_the_index(worker: int) -> None:
    table = full_table()
    leave(table, NUMBERS[:2])
    begin_insert(table.segment, worker, 1)
    with pytest.raises(SlotsHeld, match=f"ready=0, held up by worker-{worker}"):
        table.quarantine(OTHERS[:1])
    assert table.writer.slots.held_up_by() == [worker]
    begin_insert(table.segment, worker, 3)  # another one, which cannot have found them
    assert table.writer.slots.held_up_by() == []
    assert table.quarantine(OTHERS[:1]) == [Outcome.QUARANTINED]


def test_worker_that_is_replaced_holds_nothing_up() -> None:
    table = full_table()
    leave(table, NUMBERS)
    begin_insert(table.segment, 3, 1)
    assert table.writer.slots.part(8) == 8
    assert table.writer.slots.empty(8) == 0
    Engine(table.segment, caller_key=KEY, worker=3)
    assert table.writer.slots.empty(8) == 8


def test_segment_says_that_all_inserts_have_ended_with_their_processes() -> None:
    table = full_table()
    leave(table, NUMBERS)
    for worker in (0, 63):
        begin_insert(table.segment, worker, 1)
    assert (table.writer.slots.part(8), table.writer.slots.empty(8)) == (8, 0)
    table.segment.end_inserts()
    assert table.writer.slots.held_up_by() == []
    assert table.writer.slots.empty(8) == 8


def test_insert_says_when_it_is_done() -> None:
    table = full_table()
    insert(table.engine, [a_call(NUMBERS[0], START + 1)])
    leave(table, NUMBERS)
    assert table.writer.slots.part(8) == 8
    assert table.writer.slots.held_up_by() == []


def test_next_writer_finds_slots_as_they_were_left() -> None:
    table = full_table()
    leave(table, NUMBERS[:6])
    slots = table.writer.slots
    assert (slots.part(4), slots.empty(1)) == (4, 1)
    again = TableWriter(table.segment).slots
    assert (again.in_use, again.free, again.leaving, again.ready) == (2, 2, 3, 1)
    begin_insert(table.segment, 0, again.segment.counters()[0].accepted + 2)
    assert again.empty(3) == 0, "waits anew for who may have begun before"


def test_what_left_is_told_until_its_slot_is_emptied() -> None:
    table = full_table()
    leave(table, NUMBERS[:2], START + 5)
    leave(table, NUMBERS[2:4], START + 9)
    table.writer.slots.part(3)
    numbers, since = table.writer.slots.left_after(START + 5)
    assert dict(zip(numbers.tolist(), since.tolist(), strict=True)) == dict.fromkeys(
        NUMBERS[2:4], START + 9
    )


def index_of(segment: Segment) -> list[int]:
    """The places of the index, as record + 1; 0 = empty."""
    begin = segment.records_offset
    places = 2 * segment.capacity_numbers
    index_bytes = -(-8 * places // 4096) * 4096
    words = np.frombuffer(segment.view(), np.uint64, places, begin - index_bytes)
    return [int(word) & 0xFFFFFFFF for word in words]


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(0, 63), min_size=1, max_size=24, unique=True), max_size=30))
def test_index_is_as_if_those_that_are_there_had_come_alone(turns: list[list[int]]) -> None:
    table = make_table(numbers=[], capacity_numbers=24)
    there: set[int] = set()
    begin = START
    for turn in turns:
        numbers = {447700900000 + each for each in turn}
        leave(table, there - numbers, begin)
        table.writer.slots.part(24)
        begin += FORMER_LIFE_S
        table.quarantine(numbers, begin)
        there = numbers
        assert {int(row["key"]) for row in table.engine.records() if row["key"]} >= there
        assert all(table.writer.header(number) is not None for number in there)
        lone = make_table(numbers=there, capacity_numbers=24)
        taken = [place > 0 for place in index_of(table.segment)]
        assert taken == [place > 0 for place in index_of(lone.segment)]
