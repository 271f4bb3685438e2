"""A ring of any size holds the K greatest of all distinct entries that it was given.

Entries are inserted bit by bit as a journal has them. The spans of large rings are true of what is
in them after every step, and narrow where events came in order.
"""

import struct

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import greatest
from support.small_table import NUMBERS, START, SmallTable, make_table

from ringfence.engine.memory.segment import RING_ENTRIES
from ringfence.engine.words import FORMER_LIFE_S, State

NUMBER, NEIGHBOUR = NUMBERS[0], NUMBERS[1]
LARGE = [entries for entries in RING_ENTRIES if 32 + 8 * entries >= 1024]
STRETCH_WORDS = 16
PAGE_BYTES = 4096


def entry(after_s: int, low: int = 0x101) -> int:
    """An entry of some seconds after START, with a caller mark and a kind."""
    return (START + after_s) << 32 | low


def join(table: SmallTable, entries: list[int], number: int = NUMBER) -> None:
    """Inserts entries as a journal has them."""
    taken = b"".join(struct.pack("<QQ", number, each) for each in entries)
    assert table.engine.repeat(taken) == len(entries)


def spans_of(table: SmallTable, number: int = NUMBER) -> npt.NDArray[np.uint32]:
    """Rows of not before and not later, one for each stretch of a number's record."""
    segment = table.segment
    (row,) = np.flatnonzero(table.engine.records()["key"] == number)
    records_bytes = segment.capacity_numbers * segment.record_bytes
    first = segment.records_offset + -(-records_bytes // PAGE_BYTES) * PAGE_BYTES
    a_record = segment.record_bytes // STRETCH_WORDS
    begin = first + int(row) * a_record
    return np.frombuffer(segment.view()[begin : begin + a_record], np.uint32).reshape(-1, 2)


def slots_of(table: SmallTable, number: int = NUMBER) -> npt.NDArray[np.uint64]:
    """The times of a record's slots by stretch; the header, before them, counts as the first."""
    records = table.engine.records()
    (row,) = records[records["key"] == number]
    times = row["entries"] >> np.uint64(32)
    return np.concatenate((times[:1].repeat(4), times)).reshape(-1, STRETCH_WORDS)


def assert_bounds(table: SmallTable, number: int = NUMBER) -> None:
    """No slot is outside of its span."""
    spans, slots = spans_of(table, number), slots_of(table, number)
    assert (spans[:, 0] <= slots.min(axis=1)).all()
    assert (slots.max(axis=1) <= spans[:, 1]).all()


@st.composite
def arrivals(draw: st.DrawFn, ring_entries: int) -> list[int]:
    """More or fewer entries than a ring has room for: nearly in order, several in one second."""
    count = draw(st.integers(1, 2 * ring_entries + 20))
    pace = draw(st.sampled_from([1, 3, 20, 1000]))  # entries a second
    late = draw(st.sampled_from([0, 0, 3, 40, 1000]))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    after_s = np.maximum(0, np.arange(count) // pace + 2000 - random.integers(0, late + 1, count))
    low = random.integers(1, 5, count) << 8 | random.integers(1, 7, count)
    entries = [entry(int(at), int(bits)) for at, bits in zip(after_s, low, strict=True)]
    again = draw(st.integers(0, 3))
    return entries + entries[:: max(1, again)] if again else entries


@pytest.mark.parametrize("ring_entries", RING_ENTRIES)
def test_ring_holds_the_greatest_distinct_entries(ring_entries: int) -> None:
    @settings(max_examples=40, deadline=None)
    @given(entries=arrivals(ring_entries), cut=st.integers(1, 60))
    def holds(entries: list[int], cut: int) -> None:
        table = make_table(ring_entries=ring_entries)
        join(table, [entry(7)], NEIGHBOUR)
        for at in range(0, len(entries), cut):
            join(table, entries[at : at + cut])
            if ring_entries in LARGE:
                assert_bounds(table)
        rings = table.rings()
        assert rings[NUMBER] == sorted(greatest(set(entries), ring_entries))
        assert rings[NEIGHBOUR] == [entry(7)]
        explained = table.engine.explain(NUMBER, now=START + 10**5)
        assert explained is not None
        times = [event.occurred_at for event in explained.recent]
        assert times == sorted((each >> 32 for each in rings[NUMBER]), reverse=True)

    holds()


@pytest.mark.parametrize("ring_entries", LARGE)
def test_spans_of_events_in_order_are_narrow(ring_entries: int) -> None:
    """So an insert looks into one stretch, or into two where one has become the newest."""
    table = make_table(ring_entries=ring_entries)
    for at in range(3 * ring_entries):
        before = spans_of(table).copy()
        assert (before[:, 1] < START + at).all()  # none can hold it
        join(table, [entry(at)])
        if at >= 2 * ring_entries:
            smallest = int(before[:, 0].min())
            assert smallest <= START + at - ring_entries
            # Bounds that are no later than the smallest slot have to be looked at.
            assert np.count_nonzero(before[:, 0] <= START + at - ring_entries) <= 2


@pytest.mark.parametrize("ring_entries", LARGE)
def test_stretches_without_an_entry_have_no_span(ring_entries: int) -> None:
    table = make_table(ring_entries=ring_entries)
    join(table, [entry(at) for at in range(12)])
    assert np.count_nonzero(spans_of(table)[:, 1]) == 1
    join(table, [entry(12)])
    assert np.count_nonzero(spans_of(table)[:, 1]) == 2
    assert not spans_of(table, NEIGHBOUR).any()


@pytest.mark.parametrize("ring_entries", LARGE)
def test_number_that_leaves_and_comes_back_has_spans_of_its_new_life(ring_entries: int) -> None:
    table = make_table(ring_entries=ring_entries)
    join(table, [entry(at) for at in range(ring_entries + 20)])
    table.writer.set_state(NUMBER, State.RETIRED, since=START + 1000)
    assert not spans_of(table).any()
    again_s = 1000 + FORMER_LIFE_S
    assert table.quarantine([NUMBER], START + again_s) == [0]
    assert not spans_of(table).any()
    entries = [entry(again_s + at) for at in range(5)]
    join(table, entries)
    assert table.rings()[NUMBER] == entries
    assert_bounds(table)


@pytest.mark.parametrize("ring_entries", RING_ENTRIES)
def test_entries_of_one_second_are_compared_whole(ring_entries: int) -> None:
    table = make_table(ring_entries=ring_entries)
    entries = [entry(5, mark << 8 | 1) for mark in range(1, 3 * ring_entries)]
    join(table, entries[::2] + entries[1::2] + entries)
    assert table.rings()[NUMBER] == entries[-ring_entries:]


@pytest.mark.parametrize("ring_entries", RING_ENTRIES)
def test_entries_that_come_backwards_are_sorted_all_the_same(ring_entries: int) -> None:
    table = make_table(ring_entries=ring_entries)
    entries = [entry(at) for at in range(ring_entries)]
    join(table, entries[::-1])
    explained = table.engine.explain(NUMBER, now=START + 1000)
    assert explained is not None
    times = [event.occurred_at - START for event in explained.recent]
    assert times == list(range(ring_entries - 1, -1, -1))
