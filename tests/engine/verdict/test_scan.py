"""Sweeps of the scanner against the oracle: sums, forecast, clean numbers, changes."""

import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest
from support.engine import Engine
from support.oracle_pair import AHEAD, DAY_S, make_pair
from support.small_table import KEY, NUMBERS, START, SmallTable, a_call, insert, make_table

from ringfence.engine.memory.layout import NUMBER_MASK
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Feed, Policy, Pool, Rule
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.verdict.scan import FORECAST_DAYS, ScanStep, TableScan
from ringfence.engine.verdict.sweep_sums import SweepSums
from ringfence.engine.words import Measure, State, Verdict


def sweep(
    segment: Segment, now: int, *, records_max: int = 37, **options: Any
) -> tuple[SweepSums, list[ScanStep]]:
    """A whole sweep in steps."""
    scan, sums, steps, at = TableScan(segment), SweepSums(), [], 0
    while at < segment.numbers:
        steps.append(scan.step(at, now=now, records_max=records_max, sums=sums, **options))
        assert at < steps[-1].end <= min(at + records_max, segment.numbers)
        at = steps[-1].end
    return sums, steps


def clean_rows(steps: list[ScanStep]) -> list[tuple[int, int, int]]:
    """Pool, clean_at and number of the clean ones."""
    return [
        (int(row["pool"]), int(row["clean_at"]), int(row["number"]))
        for step in steps
        for row in step.clean
    ]


cases = pytest.mark.parametrize(
    ("seed", "pools", "ring_entries"), [(1, 1, 12), (2, 5, 12), (3, 5, 28), (4, 1000, 12)]
)


@cases
def test_sums_of_a_sweep_equal_the_oracles(seed: int, pools: int, ring_entries: int) -> None:
    pair = make_pair(seed, pools=pools, ring_entries=ring_entries)
    answers = pair.answers()
    sums, _ = sweep(pair.segment, pair.now)
    pool_of = {number: record.pool for number, record in pair.oracle.records.items()}
    assert counted(sums.by_verdict) == Counter(
        (pool_of[n], answer.verdict) for n, answer in answers.items()
    )
    assert counted(sums.overdue) == Counter((pool_of[n],) for n, a in answers.items() if a.overdue)
    ahead = {n: a for n, a in answers.items() if a.verdict in AHEAD}
    days = {n: -(-(a.expected_at - pair.now) // DAY_S) - 1 for n, a in ahead.items()}
    assert counted(sums.forecast) == Counter((pool_of[n], day) for n, day in days.items())
    assert any(a.expected_at > max(a.clean_at, pair.now) for a in ahead.values())
    for pool in range(pools):
        moments = [answer.expected_at for n, answer in ahead.items() if pool_of[n] == pool]
        assert sums.next_clean_at[pool] == min(moments, default=0)
    assert {a.verdict for a in answers.values()} >= set(Verdict) - {Verdict.UNTRACKED}
    assert any(a.overdue for a in answers.values())


def counted(sums: np.ndarray[tuple[int, ...], np.dtype[np.unsignedinteger]]) -> Counter[object]:
    """A table of sums as a counter over its indexes."""
    return Counter({tuple(at): int(sums[tuple(at)]) for at in np.argwhere(sums).tolist()})


@cases
def test_clean_numbers_of_a_sweep_are_the_oracles(seed: int, pools: int, ring_entries: int) -> None:
    pair = make_pair(seed, pools=pools, ring_entries=ring_entries)
    _, steps = sweep(pair.segment, pair.now)
    clean = {n: a for n, a in pair.answers().items() if a.verdict == Verdict.CLEAN}
    assert len(clean) > 10
    assert sorted(clean_rows(steps)) == sorted(
        (pair.oracle.records[n].pool, answer.clean_at, n) for n, answer in clean.items()
    )


def test_number_that_becomes_clean_at_the_end_of_a_day_belongs_to_that_day() -> None:
    table = make_table()
    now = START + 10
    ages = [10 + d for d in (0, 1, DAY_S, DAY_S + 1, 400 * DAY_S, 400 * DAY_S + 1)]
    policies = [
        Policy(f"p{i}", (Rule(Measure.EVENTS, 100, 0),), minimum_age_s=age)
        for i, age in enumerate(ages)
    ]
    found = []
    for policy in policies:
        publish_settings(table.segment, [policy], [Pool("pool", policy.name)])
        sums, _ = sweep(table.segment, now)
        found.append((np.flatnonzero(sums.forecast[0]).tolist(), int(sums.next_clean_at[0])))
    assert found == [
        ([], 0),  # it is clean already
        ([0], now + 1),
        ([0], now + DAY_S),
        ([1], now + DAY_S + 1),
        ([FORECAST_DAYS - 1], now + 400 * DAY_S),
        ([], now + 400 * DAY_S + 1),
    ]


def test_number_that_only_lacks_coverage_is_promised_for_when_it_was_listened_to() -> None:
    table, now = make_table(), START + 10
    rules = (Rule(Measure.EVENTS, 3 * DAY_S, 0),)
    policy = Policy("policy", rules, minimum_age_s=10, minimum_coverage=0.5)
    publish_settings(
        table.segment, [policy], [Pool("pool", "policy", ("west",))], [Feed("west", ())]
    )
    sums, _ = sweep(table.segment, now)
    assert sums.by_verdict[0, Verdict.UNOBSERVED] == 8
    assert (sums.forecast[0, 0], sums.forecast.sum(), sums.next_clean_at[0]) == (8, 8, now + 10)
    sums, _ = sweep(table.segment, START + 2 * DAY_S)  # half of three days, of which two are missed
    assert (sums.forecast[0, 1], sums.forecast.sum()) == (8, 8)
    assert sums.next_clean_at[0] == START + 2 * DAY_S + 3 * DAY_S // 2


def test_number_of_a_pool_that_nobody_published_is_left_out() -> None:
    table = make_table()
    cells = table.segment.view()
    at = bytes(cells).rindex(NUMBERS[3].to_bytes(8, "little"))
    cells[at : at + 8] = (NUMBERS[3] | 5 << 50).to_bytes(8, "little")
    sums, _ = sweep(table.segment, START + 10)
    assert (sums.by_verdict[0].sum(), sums.by_verdict.sum()) == (7, 7)
    del cells


@pytest.mark.slow
def test_numbers_that_move_to_new_pools_under_a_sweep_are_all_counted() -> None:
    numbers = np.arange(999_000_000_000, 999_000_050_000, dtype=np.uint64)
    table = make_table(numbers=numbers.tolist(), capacity_numbers=numbers.size)
    policy = Policy("policy", (Rule(Measure.EVENTS, 100, 0),))
    stop = threading.Event()

    def move() -> None:
        pools = [Pool("pool", "policy")]
        while not stop.is_set() and len(pools) < 1000:
            pools.append(Pool(f"pool-{len(pools)}", "policy"))
            publish_settings(table.segment, [policy], pools)
            row = table.writer.header_row(int(numbers[-len(pools)]))
            row["key"] = numbers[-len(pools)] | np.uint64(len(pools) - 1 << 50)
            table.writer.apply(row)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        while thread.is_alive():
            sums, _ = sweep(table.segment, START + 10, records_max=numbers.size)
            assert sums.by_verdict.sum() == numbers.size
    finally:
        stop.set()
        thread.join()
    sums, _ = sweep(table.segment, START + 10)
    assert sums.by_verdict[:1000].any(axis=1).all()


def test_number_whose_lease_ran_out_is_clean() -> None:
    table = make_table()
    now = START + 10
    for number, since in zip(NUMBERS[:3], (now + 1, now, now - 5), strict=True):
        table.writer.set_state(number, State.RESERVED, since=since)
    sums, steps = sweep(table.segment, now)
    assert sums.by_verdict[0, Verdict.RESERVED] == 1
    assert {number for _, _, number in clean_rows(steps)} == set(NUMBERS[1:])


def look(table: SmallTable, now: int, seen: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> object:
    """The changes that a sweep finds, and takes over into `seen`."""
    _, steps = sweep(table.segment, now, seen=seen)
    changes = np.concatenate([step.changes for step in steps])
    seen[changes["record"]] = changes["current"]
    return [
        (int(row["key"]) & NUMBER_MASK, Verdict(row["previous"]), Verdict(row["current"]))
        for row in changes
        if row["previous"]
    ]


def test_changes_are_the_verdicts_that_differ_from_those_seen() -> None:
    table, now = make_table(), START + 1000
    seen = np.zeros(16, np.uint8)
    assert look(table, now, seen) == []  # there was nothing to compare with
    assert seen.tolist() == [Verdict.CLEAN] * 8 + [0] * 8
    assert look(table, now, seen) == []
    insert(table.engine, [a_call(NUMBERS[2], 1000)])
    table.writer.set_state(NUMBERS[5], State.FREE, since=now)
    table.writer.set_state(NUMBERS[6], State.HELD, since=now)
    expected = [
        (NUMBERS[2], Verdict.CLEAN, Verdict.NOISY),
        (NUMBERS[5], Verdict.CLEAN, Verdict.UNTRACKED),
        (NUMBERS[6], Verdict.CLEAN, Verdict.HELD),
    ]
    assert look(table, now, seen) == expected
    assert look(table, now, seen) == []
    assert look(table, now + 100, seen) == [(NUMBERS[2], Verdict.NOISY, Verdict.CLEAN)]


def test_free_number_is_in_no_sum() -> None:
    table = make_table()
    table.writer.set_state(NUMBERS[5], State.FREE, since=START)
    sums, steps = sweep(table.segment, START + 1000)
    assert sums.by_verdict.sum() == len(clean_rows(steps)) == 7


def test_step_ends_where_it_has_found_as_many_changes_as_it_may() -> None:
    table = make_table()
    scan, sums, seen = TableScan(table.segment), SweepSums(), np.zeros(16, np.uint8)
    ends, at = [], 0
    while at < 8:
        step = scan.step(at, now=START + 1, records_max=100, sums=sums, seen=seen, changes_max=3)
        assert step.changes["record"].tolist() == list(range(at, step.end))
        at = step.end
        ends.append(at)
    assert ends == [3, 6, 8]
    assert sums.by_verdict[0].sum() == 8  # nothing twice, nothing left out


def test_step_behind_the_last_number_finds_nothing() -> None:
    scan, sums = TableScan(make_table().segment), SweepSums()
    step = scan.step(8, now=START, records_max=10, sums=sums, seen=np.zeros(16, np.uint8))
    assert (step.end, step.clean.size, step.changes.size) == (8, 0, 0)
    assert scan.step(99, now=START, records_max=10, sums=sums).end == 99


def test_arrays_that_do_not_fit_are_refused() -> None:
    scan, sums = TableScan(make_table().segment), SweepSums()
    with pytest.raises(ValueError, match="seen: length=7, bound=8"):
        scan.step(0, now=START, records_max=10, sums=sums, seen=np.zeros(7, np.uint8))
    with pytest.raises(ValueError, match="changes_max: value=0"):
        scan.step(0, now=START, records_max=9, sums=sums, seen=np.zeros(8, np.uint8), changes_max=0)


def test_pool_that_came_after_the_settings_were_read_is_swept() -> None:
    table = make_table(capacity_numbers=16)
    scan = TableScan(table.segment)
    assert scan.step(0, now=START, records_max=99, sums=SweepSums()).end == 8
    policy = Policy("policy", (Rule(Measure.EVENTS, 100, 0),))
    publish_settings(table.segment, [policy], [Pool("pool", "policy"), Pool("late", "policy")])
    times = np.array([START], np.uint32)
    table.writer.quarantine(
        np.array([447700900099], np.uint64),
        pool=1,
        quarantined_at=times,
        observed_since=times,
        reason=np.array([1], np.uint8),
        now=START,
    )
    sums = SweepSums()
    assert scan.step(0, now=START, records_max=99, sums=sums).end == 9
    assert sums.by_verdict[1, Verdict.CLEAN] == 1


def test_number_in_the_middle_of_a_change_is_left_for_the_next_sweep() -> None:
    table = make_table()
    cells = table.segment.view()
    at = bytes(cells).rindex(NUMBERS[3].to_bytes(8, "little")) + 8  # its control word
    cells[at + 1] |= 1  # an odd generation
    sums, steps = sweep(table.segment, START + 10, seen=np.zeros(16, np.uint8))
    assert sums.by_verdict[0].sum() == 7
    assert [row["record"] for step in steps for row in step.changes] == [0, 1, 2, 4, 5, 6, 7]
    cells[at + 1] &= 0xFE
    sums, _ = sweep(table.segment, START + 10)
    assert sums.by_verdict[0].sum() == 8
    del cells


def test_places_of_numbers_are_those_of_changes() -> None:
    table = make_table()
    scan = TableScan(table.segment)
    asked = np.array([NUMBERS[7], 447700900500, NUMBERS[0]], np.uint64)
    assert scan.find(asked).tolist() == [7, -1, 0]


@pytest.mark.slow
def test_sweeps_while_events_come_in_see_each_number_once() -> None:
    numbers = range(447700900000, 447700900900)
    table = make_table(numbers=numbers, capacity_numbers=1000)
    stop = threading.Event()

    def write() -> None:
        engine, at = Engine(table.segment, caller_key=KEY, worker=1), 0
        while not stop.is_set():
            at += 1
            rows = [a_call(number, at % 50) for number in list(numbers)[:: 1 + at % 7]]
            insert(engine, rows)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(200):
            sums, steps = sweep(table.segment, START + 60, records_max=100)
            assert sums.by_verdict[0, [Verdict.CLEAN, Verdict.NOISY]].sum() == len(numbers)
            assert sums.by_verdict[0, Verdict.CLEAN] == len(set(clean_rows(steps)))
    finally:
        stop.set()
        thread.join()
    sums, _ = sweep(table.segment, START + 60)
    assert sums.by_verdict[0, Verdict.NOISY] == len(numbers)
