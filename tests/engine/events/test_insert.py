"""Inserting events: what is taken, what is refused, and that a refusal never names a caller."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine import Engine
from support.robots import mark_as_spray
from support.small_table import ALICE, BOB, KEY, NUMBERS, START, Event, a_call, insert, make_table

from ringfence.engine.events.wire import EventDecoder
from ringfence.engine.words import EventKind, State

NOW = START + 1000
CALL = EventKind.CALL
KIND_BOUND, TIME_BOUND = "bound=1 to 6", f"bound=1 to {NOW + 300}"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ((0, ALICE, START, CALL), "called: value=0, bound=7 to 15 digits"),
        ((999_999, ALICE, START, CALL), "called: value=999999, bound=7 to 15 digits"),
        ((10**15, ALICE, START, CALL), f"called: value={10**15}, bound=7 to 15 digits"),
        ((2**64 - 1, ALICE, START, CALL), f"called: value={2**64 - 1}, bound=7 to 15 digits"),
        ((NUMBERS[0], ALICE, START, 0), f"kind: value=0, {KIND_BOUND}"),
        ((NUMBERS[0], ALICE, START, 7), f"kind: value=7, {KIND_BOUND}"),
        ((NUMBERS[0], ALICE, START, -1), f"kind: value=-1, {KIND_BOUND}"),
        ((NUMBERS[0], ALICE, START, 257), f"kind: value=257, {KIND_BOUND}"),
        ((NUMBERS[0], ALICE, 0, CALL), f"occurred_at: value=0, {TIME_BOUND}"),
        ((NUMBERS[0], ALICE, NOW + 301, CALL), f"occurred_at: value={NOW + 301}, {TIME_BOUND}"),
        ((NUMBERS[0], ALICE, 2**32 - 1, CALL), f"occurred_at: value={2**32 - 1}, {TIME_BOUND}"),
    ],
)
def test_impossible_event_is_rejected_by_field_value_and_bound(event: Event, text: str) -> None:
    table = make_table()
    before = table.engine.state_hash()
    inserted = insert(table.engine, [a_call(NUMBERS[1]), event], NOW)
    assert (inserted.accepted, inserted.untracked, inserted.rejected) == (1, 0, 1)
    assert inserted.rejections == [(1, text)]
    assert table.engine.state_hash() != before
    assert list(table.rings()[NUMBERS[0]]) == []


@pytest.mark.parametrize(
    ("number", "after_s"), [(447700900999, 0), (10**6, 0), (10**15 - 1, 0), (NUMBERS[0], -1)]
)
def test_event_of_a_number_or_time_that_nobody_tracks_leaves_no_trace(
    number: int, after_s: int
) -> None:
    table = make_table()
    before = bytes(table.engine.records().tobytes())
    inserted = insert(table.engine, [a_call(number, after_s)])
    assert (inserted.accepted, inserted.untracked, inserted.rejected) == (0, 1, 0)
    assert table.engine.records().tobytes() == before


@pytest.mark.parametrize("state", [State.ASSIGNED, State.RETIRED, State.FREE])
def test_event_of_a_number_that_left_is_untracked(state: State) -> None:
    table = make_table()
    table.writer.set_state(NUMBERS[0], state, since=START)
    assert insert(table.engine, [a_call(NUMBERS[0], 5)]).untracked == 1


@pytest.mark.parametrize("state", [State.QUARANTINED, State.HELD, State.RESERVED])
def test_event_of_a_tracked_number_is_kept(state: State) -> None:
    table = make_table()
    table.writer.set_state(NUMBERS[0], state, since=START)
    assert insert(table.engine, [a_call(NUMBERS[0], 5)]).accepted == 1
    assert len(table.rings()[NUMBERS[0]]) == 1


def test_only_the_first_ten_rejections_are_listed() -> None:
    table = make_table()
    inserted = insert(table.engine, [a_call(5)] * 11 + [a_call()] * 2 + [a_call(6)])
    assert inserted.rejected == 12
    assert [index for index, _ in inserted.rejections] == list(range(10))


def test_resent_event_counts_again_and_changes_no_ring() -> None:
    table = make_table()
    insert(table.engine, [a_call(), a_call(after_s=1)])
    before = table.engine.state_hash()
    assert insert(table.engine, [a_call(after_s=1), a_call()] * 3).accepted == 6
    assert table.engine.state_hash() == before
    explanation = table.engine.explain(NUMBERS[0], now=START + 10)
    assert explanation is not None and explanation.events_total == 8


def test_any_length_of_batch_is_taken_here() -> None:
    table = make_table()
    inserted = insert(table.engine, [a_call(NUMBERS[i % 8], i % 1000) for i in range(65_537)])
    assert inserted.accepted == 65_537


def test_empty_batch_is_nothing() -> None:
    table = make_table()
    inserted = insert(table.engine, [])
    assert (inserted.accepted, inserted.untracked, inserted.rejected) == (0, 0, 0)
    decoder = EventDecoder()
    decoder.decode(b"")
    assert table.engine.insert_decoded(decoder, now=NOW).accepted == 0


@pytest.mark.parametrize("short", range(4))
def test_columns_of_unequal_lengths_are_refused(short: int) -> None:
    table = make_table()
    before = table.engine.records().tobytes()
    columns: list[Any] = [
        np.array([NUMBERS[0]] * 2, np.uint64),
        np.array([ALICE] * 2, np.uint64),
        np.array([START] * 2, np.uint32),
        np.array([CALL] * 2, np.int32),
    ]
    columns[short] = columns[short][:1]
    with pytest.raises(ValueError, match="bound=equal") as caught:
        table.engine.insert(*columns, now=NOW)
    assert str(ALICE) not in str(caught.value)
    assert table.engine.records().tobytes() == before


def test_column_of_another_type_is_refused() -> None:
    table = make_table()
    times = np.array([START], np.int64)
    with pytest.raises(ValueError):
        table.engine.insert(
            np.array([NUMBERS[0]], np.uint64),
            np.array([ALICE], np.uint64),
            times,  # type: ignore[arg-type]
            np.array([CALL], np.int32),
            now=NOW,
        )


def test_engine_without_a_key_answers_and_does_not_insert() -> None:
    table = make_table()
    reader = Engine(table.segment)
    with pytest.raises(ValueError, match="caller key"):
        insert(reader, [a_call()])
    assert reader.explain(NUMBERS[0], now=START) is not None


@pytest.mark.parametrize("size", [0, 15, 17])
def test_key_of_another_length_is_refused(size: int) -> None:
    table = make_table()
    with pytest.raises(ValueError, match=f"bytes={size}, bound=16"):
        Engine(table.segment, caller_key=bytes(size))


def test_other_key_gives_other_marks() -> None:
    table = make_table()
    other = Engine(table.segment, caller_key=KEY[::-1])
    insert(table.engine, [a_call()])
    insert(other, [a_call()])
    assert len(table.rings()[NUMBERS[0]]) == 2


def test_each_worker_counts_for_itself() -> None:
    table = make_table()
    second = Engine(table.segment, caller_key=KEY, worker=1)
    insert(table.engine, [a_call(), a_call(5), a_call(447700900999)])
    insert(second, [a_call()])
    counters = table.segment.counters()
    assert [(c.batches, c.accepted, c.untracked, c.rejected) for c in counters[:3]] == [
        (1, 1, 1, 1),
        (1, 1, 0, 0),
        (0, 0, 0, 0),
    ]


@pytest.mark.parametrize("worker", [-1, 10_000])
def test_worker_without_counters_is_refused(worker: int) -> None:
    with pytest.raises(ValueError, match=f"worker: value={worker}, bound=0 to"):
        Engine(make_table().segment, caller_key=KEY, worker=worker)


@pytest.mark.parametrize("number", [0, 999_999, 10**15, 2**64 - 1])
def test_query_for_an_impossible_number_fails_and_names_it(number: int) -> None:
    engine = make_table().engine
    with pytest.raises(ValueError, match=rf"numbers\[1\]: value={number}, bound=7 to 15 digits"):
        engine.check(np.array([NUMBERS[0], number], np.uint64), now=NOW)
    with pytest.raises(ValueError, match=f"number: value={number}, bound=7 to 15 digits"):
        engine.explain(number, now=NOW)


def test_spray_call_is_accepted_and_takes_no_slot() -> None:
    table = make_table()
    mark_as_spray(table.segment, [BOB])
    sent = [(NUMBERS[0], BOB, START + kind, kind) for kind in EventKind]
    assert insert(table.engine, sent).accepted == 6
    kept = {entry & 0xFF for entry in table.rings()[NUMBERS[0]]}
    assert kept == {EventKind.A2P_SMS, EventKind.MMS}


columns = st.lists(
    st.tuples(
        st.sampled_from([*NUMBERS, 5, 10**15]),
        st.integers(10**9, 10**15 - 1) | st.integers(2**63, 2**64 - 1),
        st.sampled_from([0, START, NOW + 301]),
        st.integers(-(2**31), 2**31 - 1) | st.integers(1, 6),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(columns)
@pytest.mark.slow
def test_no_rejection_ever_names_a_caller(events: list[Event]) -> None:
    inserted = insert(make_table().engine, events, NOW)
    assert inserted.accepted + inserted.untracked + inserted.rejected == len(events)
    for index, text in inserted.rejections:
        called, _, occurred_at, kind = events[index]
        assert text in {
            f"called: value={called}, bound=7 to 15 digits",
            f"kind: value={kind}, {KIND_BOUND}",
            f"occurred_at: value={occurred_at}, {TIME_BOUND}",
        }
