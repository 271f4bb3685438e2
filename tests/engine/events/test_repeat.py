"""What the journal keeps of events and headers brings a table back: repeat and apply."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.robots import mark_as_spray
from support.small_table import (
    ALICE,
    BOB,
    NUMBERS,
    START,
    a_call,
    insert,
    make_table,
    take,
)

from ringfence.engine.table.header_rows import HEADER, quarantine_headers
from ringfence.engine.table.writer import TableFull
from ringfence.engine.words import EventKind, Outcome, State

NOW = START + 1_000


events = st.lists(
    st.builds(
        a_call,
        number=st.sampled_from(NUMBERS),
        after_s=st.integers(-10, 50),
        caller=st.sampled_from([0, ALICE, BOB]),
    ),
    min_size=1,
    max_size=60,
)


@given(st.lists(events, min_size=1, max_size=5), st.randoms())
@pytest.mark.slow
def test_batches_repeated_in_any_order_and_twice_give_the_same_table(batches, random) -> None:
    live, again = make_table(), make_table()
    taken = [take(live.engine, batch).taken for batch in batches]
    taken += random.sample(taken, len(taken) // 2)
    random.shuffle(taken)
    for each in taken:
        again.engine.repeat(each)
    assert again.rings() == live.rings()
    assert again.engine.state_hash() == live.engine.state_hash()


def test_taken_holds_the_accepted_events_only() -> None:
    table = make_table()
    inserted = take(
        table.engine,
        [
            a_call(),
            a_call(number=447700900999),  # nobody's in this table
            a_call(after_s=-1),  # before its quarantine
            (NUMBERS[0], ALICE, START, 9),  # no such kind
            a_call(NUMBERS[1], 5, caller=0),
        ],
    )
    assert (inserted.accepted, inserted.untracked, inserted.rejected) == (2, 2, 1)
    pairs = np.frombuffer(inserted.taken, "<u8").reshape(-1, 2)
    assert pairs[:, 0].tolist() == [NUMBERS[0], NUMBERS[1]]
    assert table.rings()[NUMBERS[1]] == [int(pairs[1, 1])]
    assert ALICE.to_bytes(8, "little") not in inserted.taken


def test_decision_on_a_spray_caller_is_repeated_and_not_taken_again() -> None:
    table, again = make_table(), make_table()
    before = take(table.engine, [a_call(caller=BOB)])
    mark_as_spray(table.segment, [ALICE, BOB])
    after = take(table.engine, [a_call(after_s=1, caller=ALICE), a_call(after_s=2, caller=BOB)])
    assert after.accepted == 2
    assert len(table.rings()[NUMBERS[0]]) == 1
    # The copy knows of no spray caller when it repeats the first, and of both for the second.
    assert again.engine.repeat(after.taken) == 2
    mark_as_spray(again.segment, [ALICE, BOB])
    assert again.engine.repeat(before.taken) == 1
    assert again.rings() == table.rings()


def test_repeat_leaves_out_numbers_that_are_not_tracked_now() -> None:
    table, again = make_table(), make_table()
    taken = take(table.engine, [a_call(), a_call(NUMBERS[1])]).taken
    again.writer.set_state(NUMBERS[0], State.ASSIGNED, since=NOW)
    assert again.engine.repeat(taken) == 1
    assert again.rings()[NUMBERS[0]] == []


def test_repeat_refuses_half_an_event() -> None:
    with pytest.raises(ValueError, match="bytes=15, bound=a multiple of 16"):
        make_table().engine.repeat(bytes(15))


def headers_of(numbers: list[int], quarantined_at: int = START) -> np.ndarray:
    """Headers of numbers that go into quarantine."""
    times = np.full(len(numbers), quarantined_at, np.uint32)
    return quarantine_headers(
        np.array(numbers, np.uint64),
        pool=0,
        quarantined_at=times,
        observed_since=times + np.uint32(1),
        reason=np.zeros(len(numbers), np.uint8),
        now=quarantined_at,
    )


def test_headers_applied_twice_change_nothing_the_second_time() -> None:
    table = make_table(numbers=[])
    headers = headers_of(NUMBERS)
    table.writer.apply(headers)
    insert(table.engine, [a_call(after_s=1)])
    digest = table.engine.state_hash()
    table.writer.apply(headers)
    assert table.engine.state_hash() == digest
    assert len(table.rings()[NUMBERS[0]]) == 1
    assert table.segment.numbers == len(NUMBERS)


def test_new_quarantine_begins_with_an_empty_ring() -> None:
    table = make_table()
    insert(table.engine, [a_call(after_s=1)])
    table.writer.set_state(NUMBERS[0], State.ASSIGNED, since=START + 2)
    table.writer.apply(headers_of(NUMBERS[:1], START + 3))
    assert table.rings()[NUMBERS[0]] == []
    header = table.writer.header(NUMBERS[0])
    assert header is not None
    assert (header.state, header.quarantined_at) == (State.QUARANTINED, START + 3)
    assert header.observed_since == START + 3 + 3600  # 1 s later, in whole hours


def test_headers_that_do_not_fit_are_refused_as_a_whole() -> None:
    table = make_table(numbers=NUMBERS, capacity_numbers=len(NUMBERS) + 1)
    with pytest.raises(TableFull, match="new numbers=2, free=1"):
        table.writer.apply(headers_of([447700900998, 447700900999]))
    assert table.segment.numbers == len(NUMBERS)


def test_headers_of_another_layout_are_refused() -> None:
    with pytest.raises(ValueError, match="dtype"):
        make_table().writer.apply(np.zeros(1, HEADER.descr[:3]))


def test_judgement_takes_the_first_of_a_number_that_stands_twice() -> None:
    table = make_table(numbers=NUMBERS[:1])
    numbers = np.array([NUMBERS[1], NUMBERS[0], NUMBERS[1]], np.uint64)
    outcomes = table.writer.judge(numbers, np.full(3, START, np.uint32))
    assert outcomes.tolist() == [
        Outcome.QUARANTINED,
        Outcome.ALREADY_QUARANTINED,
        Outcome.ALREADY_QUARANTINED,
    ]
    assert table.writer.new_numbers(numbers).tolist() == [NUMBERS[1]]
    assert table.rings().keys() == {NUMBERS[0]}


def test_positions_are_published_for_everybody() -> None:
    table = make_table()
    table.writer.set_applied(7)
    table.engine.set_journalled(9)
    assert (table.segment.applied, table.segment.counters()[0].journalled) == (7, 9)


def test_kind_survives_the_spray_mark() -> None:
    table = make_table()
    mark_as_spray(table.segment, [ALICE])
    taken = take(table.engine, [(NUMBERS[0], ALICE, START, EventKind.SMS)]).taken
    assert int(np.frombuffer(taken, "<u8")[1]) & 0xFF == 0x80 | EventKind.SMS
