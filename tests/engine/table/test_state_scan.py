"""Numbers that have been in a state for long, found a piece of the table at a time."""

import numpy as np
from support.small_table import NUMBERS, START, make_table

from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.state_scan import numbers_in_states
from ringfence.engine.words import State

LEFT = (State.ASSIGNED, State.RETIRED)


def looks(
    segment: Segment, *, records_max: int = 1_000, numbers_max: int = 1_000
) -> list[tuple[list[int], int]]:
    """What each look finds, and where the next one begins."""
    found, first = [], 0
    while first < segment.numbers:
        numbers, first = numbers_in_states(
            segment,
            first,
            states=LEFT,
            until=START + 50,
            records_max=records_max,
            numbers_max=numbers_max,
        )
        found.append((numbers.tolist(), first))
    return found


def test_numbers_are_found_by_their_state_and_since_when_they_have_it() -> None:
    table = make_table()
    for number, state, after_s in (
        (NUMBERS[1], State.ASSIGNED, 50),
        (NUMBERS[2], State.ASSIGNED, 51),
        (NUMBERS[4], State.RETIRED, 0),
        (NUMBERS[5], State.HELD, 0),
        (NUMBERS[6], State.FREE, 0),
    ):
        table.writer.set_state(number, state, since=START + after_s)
    assert looks(table.segment) == [([NUMBERS[1], NUMBERS[4]], 8)]


def test_look_ends_after_so_many_records_or_numbers_and_the_next_goes_on_there() -> None:
    table = make_table()
    for number in NUMBERS[1:]:
        table.writer.set_state(number, State.RETIRED, since=START)
    assert looks(table.segment, records_max=3) == [
        (NUMBERS[1:3], 3),
        (NUMBERS[3:6], 6),
        (NUMBERS[6:8], 8),
    ]
    assert looks(table.segment, numbers_max=4) == [(NUMBERS[1:5], 5), (NUMBERS[5:8], 8)]
    numbers, end = numbers_in_states(
        table.segment, 9, states=LEFT, until=START, records_max=3, numbers_max=3
    )
    assert (numbers.dtype, numbers.size, end) == (np.uint64, 0, 9)  # behind the last one


def test_number_whose_header_is_odd_is_left_out() -> None:
    table = make_table()
    for number in NUMBERS[:2]:
        table.writer.set_state(number, State.RETIRED, since=START)
    control = table.segment.records_offset + 8  # of the first record
    table.segment.view()[control + 1] ^= 1  # the last bit of the generation
    assert looks(table.segment) == [([NUMBERS[1]], 8)]
