"""A small table whose numbers stand in each other's way: one cluster of the index, round its end.

Each number has its own quarantined_at, so that an answer about it cannot be mistaken for one about
another: it is its clean_at.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory.layout import GENERATION_MASK, NUMBER_MASK
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import NO_SPRAY, Spray
from ringfence.engine.table.records import records
from ringfence.engine.table.slots import Slots
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import FORMER_LIFE_S, State
from support.caller_model import number_mix
from support.engine import Engine
from support.small_table import ALICE, BOB, KEY, START, SmallTable, insert, make_table

CAPACITY = 6
PLACES = 2 * CAPACITY
NOW = START + 10 * FORMER_LIFE_S
PAGE_BYTES = 4096
COUNTERS_END = 2 * PAGE_BYTES  # record.h: the header and the counters come first
COUNTERS_WORDS, INSERTING_WORD = 8, 6
RECORD_MASK = 0xFFFFFFFF


def home(number: int) -> int:
    """Where the search for a number begins."""
    return number_mix(number) * PLACES >> 64


def _at_home(*places: int) -> list[int]:
    """A number for each of these homes, each another one."""
    chosen: list[int] = []
    for place in places:
        fitting = (n for n in range(447700900000, 447700901000) if home(n) == place)
        chosen.append(next(n for n in fitting if n not in chosen))
    return chosen


_NUMBERS = _at_home(10, 10, 11, 10, 11, 0, 10, 11, 0, 10, 10, 11)
CROWD = _NUMBERS[:CAPACITY]
"""So many that the table is full, in the order in which they come; the first one is in the way of
all others."""
OTHERS = _NUMBERS[CAPACITY:]
FIRST, SECOND, THIRD, *_ = CROWD


def born(number: int) -> int:
    """When a number first goes into quarantine; of each another time."""
    return START + _NUMBERS.index(number)


def crowded_table(
    path: Path | None, numbers: Iterable[int] = CROWD, *, ring_entries: int = 12,
    spray: Spray = NO_SPRAY,
) -> SmallTable:  # fmt: skip
    """These numbers, the first and every second one after it with calls."""
    table = make_table(
        path, numbers=[], capacity_numbers=CAPACITY, ring_entries=ring_entries, spray=spray
    )
    for at, number in enumerate(numbers):
        table.quarantine([number], born(number))
        if at % 2 == 0:
            call(table, number)
    return table


def call(table: SmallTable, number: int) -> None:
    """Two calls of which only this number can tell."""
    after_s = 10 + 2 * _NUMBERS.index(number)
    events = [(number, ALICE, START + after_s, 1), (number, BOB, START + after_s + 100, 2)]
    assert insert(table.engine, events, now=NOW).accepted == 2


def leave(table: SmallTable, numbers: Iterable[int], since: int = START + 300) -> None:
    """These leave."""
    for number in numbers:
        table.writer.set_state(number, State.FREE, since=since)


def come_back(table: SmallTable, numbers: Iterable[int]) -> None:
    """These come back as soon as they may."""
    for number in numbers:
        table.quarantine([number], born(number) + 2 * FORMER_LIFE_S)


def reopened(segment: Segment) -> SmallTable:
    """The table with a new keeper."""
    return SmallTable(segment, TableWriter(segment), Engine(segment, caller_key=KEY, worker=9))


def image_of(segment: Segment) -> bytes:
    """All that numbers leave in memory."""
    memory = segment.view()
    return bytes(memory[:COUNTERS_END]) + bytes(memory[_index_offset(segment) :])


def put_image(segment: Segment, image: bytes) -> None:
    """Makes it that of another moment, or of another segment of the same geometry and settings."""
    memory = segment.view()
    memory[:COUNTERS_END] = image[:COUNTERS_END]
    memory[_index_offset(segment) :] = image[COUNTERS_END:]


def _index_offset(segment: Segment) -> int:
    return segment.records_offset - PAGE_BYTES


def inserting(segment: Segment, worker: int) -> int:
    """The epoch in which the insert began that is under way; 0 = none is."""
    counters = np.frombuffer(segment.view(), np.uint64, COUNTERS_WORDS * (worker + 1), PAGE_BYTES)
    return int(counters[COUNTERS_WORDS * worker + INSERTING_WORD])


def index_of(segment: Segment) -> dict[int, int]:
    """The places that are taken: which record each leads to."""
    words = np.frombuffer(segment.view(), np.uint64, PLACES, _index_offset(segment))
    return {at: (int(word) & RECORD_MASK) - 1 for at, word in enumerate(words) if word}


def state_of(record: np.void) -> State:
    """The state of a record."""
    return State(int(record["control"]) & 0xFF)


def number_of(record: np.void) -> int:
    """The number of a record; 0 = it has none."""
    return int(record["key"]) & NUMBER_MASK


def all_records(segment: Segment) -> npt.NDArray[np.void]:
    """The records, also those behind `segment.numbers`."""
    count = segment.capacity_numbers
    few = records(segment)
    return np.frombuffer(segment.view(), few.dtype, count, segment.records_offset)


def check_soundness(segment: Segment, slots: Slots) -> None:
    """Asserts what holds of every table between two commands."""
    rows, index = records(segment), index_of(segment)
    assert not (rows["control"] & np.uint64(GENERATION_MASK) & np.uint64(1 << 8)).any(), "odd"
    numbers = [number_of(row) for row in rows]
    led_to = list(index.values())
    assert len(set(led_to)) == len(led_to), f"two ways to one record: {index}"
    for place, record in index.items():
        number = numbers[record]
        assert number, f"place {place} leads to record {record}, which is nobody's"
        way = [(home(number) + step) % PLACES for step in range(PLACES)]
        on_the_way = way[: way.index(place)]
        assert all(each in index for each in on_the_way), f"nobody comes to place {place}: {index}"
    states = [state_of(row) for row in rows]
    used = {at for at, state in enumerate(states) if state not in {State.FREE, State.EMPTY}}
    empty = [at for at, state in enumerate(states) if state == State.EMPTY]
    assert used <= set(led_to), "a number is not found"
    assert not set(empty) & set(led_to)
    assert not any(numbers[at] for at in empty)
    assert not rows[empty]["entries"].any(), "an EMPTY slot has events"
    known = [numbers[at] for at in led_to]
    assert len(set(known)) == len(known), "a number is there twice"
    assert (slots.in_use, slots.free) == (len(used), len(led_to) - len(used))
    assert slots.leaving == len(rows) - len(led_to) - len(empty)
    assert slots.ready == len(empty) + segment.capacity_numbers - segment.numbers


def tracked(segment: Segment) -> list[int]:
    """The numbers in quarantine."""
    rows = records(segment)
    return [number_of(row) for row in rows if state_of(row) == State.QUARANTINED]


def fill_and_empty_twice(table: SmallTable) -> None:
    """All numbers leave, others fill the table, these leave, and the first ones fill it again: each
    time it takes as many as it has room for, all of them quiet.
    """
    begin = NOW
    for numbers in (OTHERS, CROWD):
        leave(table, tracked(table.segment), begin)
        begin += 2 * FORMER_LIFE_S
        assert table.quarantine(numbers, begin) == [0] * CAPACITY
        check_soundness(table.segment, table.writer.slots)
        assert table.rings() == {number: [] for number in numbers}
        assert table.writer.slots.in_use == CAPACITY
        assert not records(table.segment)["events_total"].any()
