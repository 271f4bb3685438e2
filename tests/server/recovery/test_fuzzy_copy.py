"""A table that is copied slot by slot while slots are given on is what it was, after the replay."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine import Engine
from support.small_table import KEY, NUMBERS, START, SmallTable, make_table, take

from ringfence.engine.memory.layout import NUMBER_MASK
from ringfence.engine.settings.new_segment import new_segment
from ringfence.engine.settings.policy import NO_SPRAY
from ringfence.engine.snapshot.record_blocks import (
    copy_records,
    index_records,
    records_memory,
    set_numbers,
    settle_doubles,
)
from ringfence.engine.table.header_rows import Headers, quarantine_headers, set_state
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import FORMER_LIFE_S, EventKind, State
from ringfence.server.recovery.replayed_table import ReplayedTable

A, B, C, D = NUMBERS[:4]
CAPACITY_NUMBERS = 3
CALLER = 441632960001


class CopiedTable:
    """A full table that a snapshot copies a slot at a time, and journals from where that began."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.capacity_numbers = len(numbers)
        self.table: SmallTable = make_table(numbers=numbers, capacity_numbers=len(numbers))
        self.now = START
        self.commands: list[Headers] = []
        self.events: list[bytes] = []
        self.doubles: list[int] = []
        self.copied: list[npt.NDArray[np.uint64]] = []

    def come(self, number: int) -> None:
        """A number comes into the table, with a call at once."""
        self.now += FORMER_LIFE_S
        moment = np.array([self.now], np.uint32)
        rows = quarantine_headers(
            np.array([number], np.uint64),
            pool=0,
            quarantined_at=moment,
            observed_since=moment,
            reason=np.zeros(1, np.uint8),
            now=self.now,
        )
        self._apply(rows)
        self.call(number)

    def change(self, number: int, state: State) -> None:
        """A number that is there is in another state: FREE, and it leaves."""
        self.now += 1
        rows = self.table.writer.header_row(number)
        set_state(rows, state, self.now)
        self._apply(rows)

    def call(self, number: int) -> None:
        """Somebody calls a number, and another time soon after."""
        event = (number, CALLER, self.now, EventKind.CALL)
        self.events.append(take(self.table.engine, [event], now=self.now).taken)

    def copy(self, slots: int = 1) -> None:
        """The snapshot goes on by some slots."""
        for _ in range(slots):
            into = np.empty(self.table.segment.record_bytes // 8, np.uint64)
            copy_records(self.table.segment, len(self.copied), into)
            self.copied.append(into)

    def number_in(self, slot: int) -> int:
        """The number in the copy of a slot."""
        return int(self.copied[slot][0]) & NUMBER_MASK

    def _apply(self, rows: Headers) -> None:
        self.table.writer.apply(rows)
        self.commands.append(rows)

    def restarted(self, order: Sequence[int]) -> SmallTable:
        """The table that a start makes of the copy, whose slots its threads index in some order,
        and of the journals.
        """
        self.copy(self.capacity_numbers - len(self.copied))
        segment = new_segment(
            None, capacity_numbers=self.capacity_numbers, ring_entries=12, spray=NO_SPRAY
        )
        for at, words in enumerate(self.copied):
            records_memory(segment, at, segment.record_bytes)[:] = words.tobytes()
        found = [index_records(segment, at, 1) for at in order]
        self.doubles = [int(at) for each in found for at in each]
        settle_doubles(segment, np.array(self.doubles, np.uint64))
        set_numbers(segment, self.capacity_numbers)
        replayed = ReplayedTable(segment)
        for rows in self.commands:
            replayed.apply(rows)
        replayed.finish(len(self.commands))
        engine = Engine(segment, caller_key=KEY)
        for taken in self.events:
            engine.repeat(taken)
        return SmallTable(segment, TableWriter(segment), engine)


def in_use(table: SmallTable) -> dict[int, State]:
    """The states of the numbers that are there."""
    headers = {number: table.writer.header(number) for number in NUMBERS}
    return {n: found.state for n, found in headers.items() if found and found.state != State.FREE}


def check_same(copied: CopiedTable, order: Sequence[int]) -> None:
    """After a restart the same numbers are there, with the same headers and rings."""
    again, before = copied.restarted(order), copied.table
    assert in_use(again) == in_use(before)
    assert again.engine.state_hash() == before.engine.state_hash()
    slots = again.writer.slots
    assert slots.in_use == before.writer.slots.in_use == len(in_use(before))
    room = copied.capacity_numbers - slots.in_use
    assert slots.free + slots.leaving + slots.ready == room, "no slot is lost"


def test_number_whose_slot_was_copied_under_its_next_number_waits_for_room() -> None:
    copied = CopiedTable([A, B])
    copied.copy()
    copied.change(B, State.HELD)
    copied.change(A, State.FREE)
    copied.come(C)
    copied.change(B, State.FREE)
    copied.come(D)
    copied.copy()
    assert [copied.number_in(slot) for slot in range(2)] == [A, D]  # and replay begins with A and B
    check_same(copied, [0, 1])
    assert set(in_use(copied.table)) == {C, D}


def test_number_that_waits_for_room_has_its_latest_header() -> None:
    copied = CopiedTable([A, B])
    copied.copy()
    copied.change(A, State.FREE)
    copied.change(B, State.RESERVED)
    copied.come(C)
    copied.change(B, State.FREE)
    copied.change(C, State.HELD)
    copied.come(D)
    check_same(copied, [0, 1])
    assert in_use(copied.table) == {C: State.HELD, D: State.QUARANTINED}


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 0, 2]])
@pytest.mark.parametrize("first", [State.QUARANTINED, State.FREE])
@pytest.mark.parametrize("then", [State.QUARANTINED, State.FREE])
def test_number_that_was_copied_in_two_slots_is_there_once(
    order: list[int], first: State, then: State
) -> None:
    copied = CopiedTable([A, B, C])
    copied.call(A)
    if first == State.FREE:
        copied.change(A, State.FREE)
    copied.copy()
    if first != State.FREE:
        copied.change(A, State.FREE)
    copied.come(D)
    copied.change(B, State.FREE)
    copied.come(A)
    if then == State.FREE:
        copied.change(A, State.FREE)
    copied.copy(2)
    check_same(copied, order)
    assert len(copied.doubles) == 1
    assert [copied.number_in(slot) for slot in range(3)] == [A, A, C]


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["come", "leave", "leave", "hold", "call", "copy"]),
            st.sampled_from(NUMBERS[:6]),
        ),
        max_size=40,
    ),
    st.permutations(range(CAPACITY_NUMBERS)),
)
def test_any_commands_and_calls_between_the_copies_of_slots(
    turns: list[tuple[str, int]], order: list[int]
) -> None:
    copied = CopiedTable(NUMBERS[:CAPACITY_NUMBERS])
    for turn, number in turns:
        there = in_use(copied.table)
        if turn == "copy" and len(copied.copied) < CAPACITY_NUMBERS:
            copied.copy()
        elif turn == "come" and number not in there and len(there) < CAPACITY_NUMBERS:
            copied.come(number)
        elif turn == "leave" and number in there:
            copied.change(number, State.FREE)
        elif turn == "hold" and number in there:
            copied.change(number, State.HELD)
        elif turn == "call":
            copied.call(number)
    check_same(copied, order)
