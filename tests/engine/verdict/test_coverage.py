"""Coverage that is published by itself, as it grows: all see the same as if all were read anew."""

import ctypes
import mmap
import os
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine import Engine
from support.small_table import KEY, NUMBERS, START, SmallTable, make_table

from ringfence.engine.answers import Unsettled
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Feed, Policy, Pool, Rule, SettingError
from ringfence.engine.settings.reading import read_watermarks
from ringfence.engine.settings.writing import publish_coverage, publish_settings
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import DisconnectReason, Measure, State, Verdict

WINDOW_S = 30
POLICY = Policy("policy", (Rule(Measure.EVENTS, WINDOW_S, 0),), minimum_coverage=1.0)
POOLS = [
    Pool("one", "policy", ("a",)),
    Pool("two", "policy", ("a", "b")),
    Pool("three", "policy", ("c", "b", "a")),
    Pool("none", "policy"),
]
Covered = tuple[tuple[int, int], ...]


def make_pools(*feeds: Feed) -> SmallTable:
    """A table with one number in each pool."""
    table = make_table(numbers=[])
    publish_settings(table.segment, [POLICY], POOLS, feeds)
    for index in range(len(POOLS)):
        table.writer.quarantine(
            np.array([NUMBERS[index]], np.uint64),
            pool=index,
            quarantined_at=np.array([START], np.uint32),
            observed_since=np.array([START], np.uint32),
            reason=np.array([DisconnectReason.INACTIVITY], np.uint8),
            now=START,
        )
    return table


def coverages(engine: Engine, now: int) -> list[float]:
    """The coverage of the number of each pool."""
    found = [engine.explain(number, now=now) for number in NUMBERS[: len(POOLS)]]
    return [explanation.coverage for explanation in found if explanation is not None]


def expected(feeds: dict[str, Covered], now: int) -> list[float]:
    """The same by counting seconds."""
    seconds = {
        name: {second for begin, end in covered for second in range(begin, end)}
        for name, covered in feeds.items()
    }
    asked = set(range(max(START, now - WINDOW_S), now))
    return [
        len(asked.intersection(*(seconds[feed] for feed in pool.required_feeds))) / len(asked)
        for pool in POOLS
    ]


@st.composite
def covered_times(draw: st.DrawFn) -> Covered:
    """Ascending intervals after START."""
    bounds = sorted(draw(st.lists(st.integers(START, START + 60), max_size=12)))
    intervals = zip(bounds[::2], bounds[1::2], strict=False)
    return tuple((begin, end) for begin, end in intervals if begin < end)  # some may touch


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.dictionaries(st.sampled_from("abc"), covered_times()), max_size=6))
@pytest.mark.slow
def test_engine_that_follows_changes_sees_what_a_new_one_sees(
    changes: list[dict[str, Covered]],
) -> None:
    table = make_pools(Feed("a"), Feed("b"), Feed("c"))
    feeds: dict[str, Covered] = {"a": (), "b": (), "c": ()}
    for change in changes:
        feeds |= change
        publish_coverage(
            table.segment,
            {"abc".index(name): Feed(name, covered) for name, covered in change.items()},
        )
        new = Engine(table.segment, caller_key=KEY)
        for now in range(START + 1, START + 70, 7):
            assert coverages(table.engine, now) == expected(feeds, now)
            assert coverages(new, now) == expected(feeds, now)


def test_time_to_come_is_covered_but_not_before_observed_since() -> None:
    table = make_pools(Feed("a", ((START, START + 10),), START + 10), Feed("b"), Feed("c"))
    covered = [
        explanation.coverage
        for number in NUMBERS[: len(POOLS)]
        if (explanation := table.engine.explain(number, now=START + 20, at=START + 35))
    ]
    assert covered == [20 / 30, 15 / 30, 15 / 30, 1.0]  # of the 30 s from 5 on
    table.writer.set_state(NUMBERS[3], State.FREE, since=START)
    table.writer.quarantine(
        np.array(NUMBERS[3:4], np.uint64),
        pool=3,
        quarantined_at=np.array([START + 400], np.uint32),
        observed_since=np.array([START + 401], np.uint32),  # an hour later, in whole hours
        reason=np.array([DisconnectReason.INACTIVITY], np.uint8),
        now=START + 401,
    )
    explanation = table.engine.explain(NUMBERS[3], now=START + 500, at=START + 400 + 3600 + 6)
    assert explanation is not None and explanation.coverage == 6 / 30
    assert explanation.verdict == Verdict.UNOBSERVED
    assert explanation.expected_at == START + 400 + 3600 + 30


def test_feed_that_catches_up_leaves_no_gap_and_one_that_lost_it_does() -> None:
    table = make_pools(Feed("a"), Feed("b"), Feed("c"))
    grown = ((START, START + 10), (START + 20, START + 30))
    publish_coverage(table.segment, {0: Feed("a", grown, START + 30)})
    numbers = np.array(NUMBERS[:1], np.uint64)
    assert table.engine.check(numbers, now=START + 30)[0].tolist() == [Verdict.UNOBSERVED]
    publish_coverage(table.segment, {0: Feed("a", ((START, START + 30),), START + 30)})
    assert table.engine.check(numbers, now=START + 30)[0].tolist() == [Verdict.CLEAN]
    assert read_watermarks(table.segment) == {
        "a": (0, 0, START + 30),
        "b": (1, 0, 0),
        "c": (2, 0, 0),
    }


@pytest.mark.parametrize(
    "feeds",
    [
        {3: Feed("d")},
        {-1: Feed("a")},
        {0: Feed("a", ((START, START),))},
        {0: Feed("a", (), -1)},
        {0: Feed("a", (), 2**32)},
    ],
)
def test_coverage_out_of_bounds_is_refused_and_changes_nothing(feeds: dict[int, Feed]) -> None:
    table = make_pools(Feed("a", ((START, START + 9),), START + 9), Feed("b"), Feed("c"))
    generation = table.segment.coverage_generation
    with pytest.raises(SettingError):
        publish_coverage(table.segment, {0: Feed("a", ((START, START + 5),)), **feeds})
    assert coverages(table.engine, START + 9)[0] == 1.0
    assert table.segment.coverage_generation == generation


def test_interval_that_the_segment_has_already_is_not_written_again() -> None:
    covered = tuple((START + 10 * i, START + 10 * i + 5) for i in range(4))
    table = make_pools(Feed("a", covered), Feed("b"), Feed("c"))
    view = table.segment.view()
    at = bytes(view).index(np.array(covered, np.uint32).tobytes())
    publish_coverage(table.segment, {0: Feed("a", (*covered[:3], (START + 30, START + 36)))})
    grown = bytes(view[at : at + 32])
    assert grown == np.array([*covered[:3], (START + 30, START + 36)], np.uint32).tobytes()
    view[at + 8] ^= 1  # the second is another one now: it and what follows is put right
    publish_settings(table.segment, [POLICY], POOLS, [Feed("a", covered), Feed("b"), Feed("c")])
    assert bytes(view[at : at + 32]) == np.array(covered, np.uint32).tobytes()
    publish_coverage(table.segment, {0: Feed("a", covered[:1])})
    assert bytes(view[at : at + 32]) == np.array(covered, np.uint32).tobytes()  # and none counts
    assert coverages(table.engine, START + 15)[0] == 5 / 15


def test_publishing_does_not_write_what_has_not_changed() -> None:
    """In a process that may not write there: the pages of a feed's older intervals."""
    covered = tuple((START + 10 * i, START + 10 * i + 5) for i in range(2_000))
    table = make_pools(Feed("a", covered), Feed("b"), Feed("c"))
    view = np.frombuffer(table.segment.view(), np.uint8)
    at = bytes(view).index(np.array(covered, np.uint32).tobytes())
    first = -(-(view.ctypes.data + at) // mmap.PAGESIZE) * mmap.PAGESIZE
    grown = Feed("a", (*covered[:-1], (covered[-1][0], covered[-1][1] + 1)))
    child = os.fork()
    if child == 0:
        ends = 1
        try:
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)
            protect = ctypes.CDLL(None).mprotect
            protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
            if protect(first, mmap.PAGESIZE, mmap.PROT_READ) == 0:
                publish_coverage(table.segment, {0: grown})
                publish_settings(
                    table.segment, [POLICY], POOLS, [Feed("a", covered), Feed("b"), Feed("c")]
                )
                ends = 0
        finally:
            os._exit(ends)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_pool_that_requires_other_feeds_has_what_these_have_covered() -> None:
    feeds = [Feed("a", ((START, START + 10),)), Feed("b", ((START, START + 20),)), Feed("c")]
    table = make_pools(*feeds)
    assert coverages(table.engine, START + 30) == [10 / 30, 10 / 30, 0.0, 1.0]
    pools = [
        Pool("one", "policy", ("b",)),
        Pool("two", "policy", ("b", "c")),
        Pool("three", "policy"),
        Pool("none", "policy", ("a",)),
    ]
    publish_settings(table.segment, [POLICY], pools, feeds)
    assert coverages(table.engine, START + 30) == [20 / 30, 0.0, 1.0, 10 / 30]
    others = [Feed("b", ((START, START + 20),)), Feed("a", ((START, START + 10),)), Feed("c")]
    publish_settings(table.segment, [POLICY], pools, others)  # at other indexes
    assert coverages(table.engine, START + 30) == [20 / 30, 0.0, 1.0, 10 / 30]


def set_coverage_generation(segment: Segment, generation: int) -> None:
    """As a writer leaves it that dies."""
    view = segment.view()
    both = segment.settings_generation, segment.coverage_generation
    at = bytes(view[:4096]).index(np.array(both, np.uint64).tobytes()) + 8
    view[at : at + 8] = generation.to_bytes(8, "little")


def test_coverage_that_a_dead_writer_left_is_taken_by_nobody_until_all_is_published() -> None:
    feeds = [Feed("a", ((START, START + 30),), START + 30), Feed("b"), Feed("c")]
    table = make_pools(*feeds)
    assert coverages(table.engine, START + 30)[0] == 1.0
    set_coverage_generation(table.segment, table.segment.coverage_generation + 1)
    del table.writer
    writer = TableWriter(table.segment)
    assert table.segment.coverage_generation % 2 == 1
    assert coverages(table.engine, START + 30)[0] == 1.0  # as it was read before
    with pytest.raises(Unsettled):
        Engine(table.segment, caller_key=KEY).explain(NUMBERS[0], now=START + 30)
    assert read_watermarks(table.segment) is None
    with pytest.raises(RuntimeError, match="publish all"):
        publish_coverage(writer.segment, {0: feeds[0]})
    feeds[1] = Feed("b", ((START, START + 15),), START + 15)
    publish_settings(writer.segment, [POLICY], POOLS, feeds)
    for engine in (table.engine, Engine(table.segment, caller_key=KEY)):
        assert coverages(engine, START + 30) == [1.0, 0.5, 0.0, 1.0]


def test_settings_that_changed_are_not_taken_with_coverage_that_is_odd() -> None:
    table = make_pools(Feed("a"), Feed("b"), Feed("c"))
    assert coverages(table.engine, START + 30)[3] == 1.0
    pools = [*POOLS[:3], Pool("none", "policy", ("a",))]
    publish_settings(table.segment, [POLICY], pools, [Feed("a"), Feed("b"), Feed("c")])
    set_coverage_generation(table.segment, table.segment.coverage_generation + 1)
    with pytest.raises(Unsettled):
        table.engine.explain(NUMBERS[3], now=START + 30)
