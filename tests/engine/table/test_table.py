"""The table and its one writer: room, states, settings, and the view that people look at."""

import gc
from pathlib import Path

import numpy as np
import pytest
from support.engine import Engine
from support.small_table import ALICE, KEY, NUMBERS, START, a_call, insert, make_table

from ringfence.engine.memory.layout import FEEDS_MAX, NUMBER_MASK, POLICIES_MAX, POOLS_MAX
from ringfence.engine.memory.segment import RING_ENTRIES, Segment
from ringfence.engine.settings.policy import DAY_S, Feed, Policy, Pool, Rule, SettingError
from ringfence.engine.settings.reading import read_feeds, read_policies, read_pools
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.table.writer import TableFull, TableWriter
from ringfence.engine.words import (
    FORMER_LIFE_S,
    DisconnectReason,
    EventKind,
    Measure,
    Outcome,
    State,
    Verdict,
)

RULE = Rule(Measure.EVENTS, 100, 0)
POLICY = Policy("policy", (RULE,))
POOL = Pool("pool", "policy")


def test_full_table_refuses_a_new_number() -> None:
    table = make_table(capacity_numbers=8)
    before = table.engine.records().tobytes()
    with pytest.raises(TableFull, match="new numbers=1, free=0, capacity=8") as caught:
        table.quarantine([447700900999])
    assert (caught.value.wanted, caught.value.free, caught.value.capacity_numbers) == (1, 0, 8)
    assert table.engine.records().tobytes() == before
    assert insert(table.engine, [a_call()]).accepted == 1


def test_batch_that_does_not_fit_adds_no_number_at_all() -> None:
    table = make_table(capacity_numbers=10)
    with pytest.raises(TableFull) as caught:
        table.quarantine([447700900997, 447700900998, 447700900999, 447700900999])
    assert (caught.value.wanted, caught.value.free) == (3, 2)
    assert table.segment.numbers == 8
    assert table.engine.explain(447700900997, now=START) is None


def test_full_table_takes_back_the_numbers_that_it_knows() -> None:
    table = make_table(capacity_numbers=8)
    for turn, state in enumerate((State.ASSIGNED, State.RETIRED, State.FREE)):
        left_at = START + turn * FORMER_LIFE_S
        table.writer.set_state(NUMBERS[0], state, since=left_at)
        assert table.quarantine([NUMBERS[0]], left_at + FORMER_LIFE_S) == [Outcome.QUARANTINED]
    assert table.segment.numbers == 8


@pytest.mark.parametrize("ring_entries", RING_ENTRIES)
def test_every_number_of_a_full_table_is_found(ring_entries: int) -> None:
    numbers = range(447700900000, 447700901000)
    table = make_table(numbers=numbers, capacity_numbers=1000, ring_entries=ring_entries)
    assert table.segment.numbers == 1000
    events = [a_call(number, number % 100) for number in numbers]
    assert insert(table.engine, events).accepted == 1000
    rings = table.rings()
    assert rings.keys() == set(numbers)
    assert all(rings[number][0] >> 32 == START + number % 100 for number in numbers)
    for absent in (10**6, 447700901000, 10**15 - 1):
        assert table.engine.explain(absent, now=START) is None


def test_number_comes_into_quarantine_once() -> None:
    table = make_table()
    again, new = NUMBERS[0], 447700900999
    assert table.quarantine([again, new, new], START + 50) == [
        Outcome.ALREADY_QUARANTINED,
        Outcome.QUARANTINED,
        Outcome.ALREADY_QUARANTINED,
    ]
    header = table.writer.header(again)
    assert header is not None and header.quarantined_at == START


@pytest.mark.parametrize("state", [State.HELD, State.RESERVED])
def test_held_and_reserved_numbers_are_already_quarantined(state: State) -> None:
    table = make_table()
    table.writer.set_state(NUMBERS[0], state, since=START)
    assert table.quarantine([NUMBERS[0]], START + 50) == [Outcome.ALREADY_QUARANTINED]
    header = table.writer.header(NUMBERS[0])
    assert header is not None and (header.state, header.quarantined_at) == (state, START)


@pytest.mark.parametrize("state", [State.ASSIGNED, State.RETIRED, State.FREE])
def test_quarantine_does_not_begin_before_the_former_life_ended(state: State) -> None:
    table = make_table()
    table.writer.set_state(NUMBERS[0], state, since=START + 50)
    assert table.writer.earliest_quarantine(NUMBERS[0]) == START + 360
    assert table.quarantine([NUMBERS[0]], START + 359) == [Outcome.TOO_EARLY]
    assert table.quarantine([NUMBERS[0]], START + 360) == [Outcome.QUARANTINED]
    assert table.writer.earliest_quarantine(NUMBERS[0]) == 0
    assert table.writer.earliest_quarantine(447700900999) == 0


def test_number_that_comes_back_brings_nothing_along() -> None:
    table = make_table()
    insert(table.engine, [a_call(after_s=after_s) for after_s in range(1000, 1200)])
    table.writer.set_override(NUMBERS[0], START + 2)
    table.writer.set_state(NUMBERS[0], State.RETIRED, since=START + 10)
    assert table.rings()[NUMBERS[0]] == []
    table.quarantine([NUMBERS[0]], START + 320)
    explanation = table.engine.explain(NUMBERS[0], now=START + 2000)
    assert explanation is not None
    assert (explanation.events_total, explanation.recent, explanation.override_at) == (0, [], 0)


def test_header_is_what_was_written() -> None:
    table = make_table(numbers=[])
    reason = DisconnectReason.PORT_RETURN
    publish_settings(table.segment, [POLICY], [POOL, Pool("other", "policy")])
    table.writer.quarantine(
        np.array([NUMBERS[0]], np.uint64),
        pool=1,
        quarantined_at=np.array([START], np.uint32),
        observed_since=np.array([START + 3601], np.uint32),
        reason=np.array([reason], np.uint8),
        now=START + 5,
    )
    header = table.writer.header(NUMBERS[0])
    assert header is not None
    assert (header.state, header.pool, header.reason) == (State.QUARANTINED, 1, reason)
    assert (header.quarantined_at, header.since) == (START, START + 5)
    assert (header.observed_since, header.override_at) == (START + 7200, 0)
    assert table.writer.header(447700900999) is None


def test_latest_observation_possible_is_kept_exactly() -> None:
    table = make_table(numbers=[])
    table.writer.quarantine(
        np.array([NUMBERS[0]], np.uint64),
        pool=0,
        quarantined_at=np.array([1], np.uint32),
        observed_since=np.array([2**32 - 1], np.uint32),
        reason=np.array([0], np.uint8),
        now=START,
    )
    header = table.writer.header(NUMBERS[0])
    assert header is not None
    assert header.observed_since == 1 + -(-(2**32 - 2) // 3600) * 3600


def test_state_of_a_number_that_is_not_there_cannot_be_set() -> None:
    table = make_table()
    with pytest.raises(KeyError, match="447700900999"):
        table.writer.set_state(447700900999, State.HELD, since=START)
    with pytest.raises(KeyError, match="447700900999"):
        table.writer.set_override(447700900999, START)


def test_records_are_a_read_only_view_of_the_living_table() -> None:
    table = make_table()
    records = table.engine.records()
    assert records.dtype.names == (
        "key",
        "control",
        "quarantined_at",
        "override_at",
        "events_total",
        "origin",
        "entries",
    )
    assert records.shape == (8,) and records["entries"].shape == (8, 12)
    assert not records.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        records["quarantined_at"] = 0
    insert(table.engine, [a_call(NUMBERS[2], 7)])
    row = records[records["key"] & np.uint64(NUMBER_MASK) == NUMBERS[2]]
    assert row["events_total"].tolist() == [1]
    assert row["quarantined_at"].tolist() == [START]
    assert int(row["entries"].max()) >> 32 == START + 7
    assert int(row["entries"].max()) & 0xFF == EventKind.CALL


def test_records_live_longer_than_the_engine() -> None:
    table = make_table()
    records = table.engine.records()
    del table
    gc.collect()
    assert set((records["key"] & np.uint64(NUMBER_MASK)).tolist()) == set(NUMBERS)


def test_settings_come_back_as_they_were_published() -> None:
    policies = [
        Policy("strict", (RULE,), description="zażółć gęślą jaźń " * 27, revision=2**64 - 1),
        None,
        Policy(
            "mild",
            tuple(
                Rule(measure, 400 * DAY_S, limit, frozenset(kinds))
                for measure, limit, kinds in [
                    (Measure.EVENTS, 11, list(EventKind)),
                    (Measure.CALLERS, 11, [EventKind.A2P_SMS]),
                    (Measure.REPEAT_CALLERS, 5, []),
                ]
            ),
            minimum_age_s=3650 * DAY_S,
            maximum_age_s=3650 * DAY_S,
            quiet_period_s=400 * DAY_S,
            minimum_coverage=0.95,
        ),
    ]
    pools = [Pool("a", "mild", ("west", "east")), None, Pool("b", "strict", (), "text", 7)]
    feeds = [Feed("east", ((0, 5), (5, 2**32 - 1))), None, Feed("west")]
    table = make_table(numbers=[])
    publish_settings(table.segment, policies, pools, feeds)
    assert list(read_policies(table.segment)) == policies
    assert list(read_pools(table.segment)) == pools
    assert list(read_feeds(table.segment)) == feeds


@pytest.mark.parametrize(
    ("policies", "pools", "feeds", "field"),
    [
        ([POLICY, POLICY], [POOL], [], "policies"),
        ([POLICY], [POOL, POOL], [], "pools"),
        ([POLICY], [POOL], [Feed("a"), Feed("a")], "feeds"),
        ([POLICY], [Pool("pool", "other")], [], "policy"),
        ([POLICY], [Pool("pool", "policy", ("a",))], [], "required_feeds"),
        ([POLICY], [Pool("Pool", "policy")], [], "name"),
        ([Policy("", (RULE,))], [], [], "name"),
        ([Policy("policy", ())], [], [], "rules"),
        ([Policy("policy", (RULE,) * 9)], [], [], "rules"),
        ([Policy("policy", (Rule(Measure.EVENTS, 0, 0),))], [], [], "rules[0].window"),
        ([Policy("policy", (RULE, Rule(Measure.EVENTS, 400 * DAY_S + 1, 0)))], [], [],
         "rules[1].window"),
        ([Policy("policy", (Rule(Measure.EVENTS, 1, 12),))], [], [], "rules[0].limit"),
        ([Policy("policy", (Rule(Measure.CALLERS, 1, 12),))], [], [], "rules[0].limit"),
        ([Policy("policy", (Rule(Measure.REPEAT_CALLERS, 1, 6),))], [], [], "rules[0].limit"),
        ([Policy("policy", (Rule(Measure.EVENTS, 1, -1),))], [], [], "rules[0].limit"),
        ([Policy("policy", (RULE,), minimum_age_s=3650 * DAY_S + 1)], [], [], "minimum_age"),
        ([Policy("policy", (RULE,), maximum_age_s=0)], [], [], "maximum_age"),
        ([Policy("policy", (RULE,), quiet_period_s=400 * DAY_S + 1)], [], [], "quiet_period"),
        ([Policy("policy", (RULE,), minimum_coverage=1.1)], [], [], "minimum_coverage"),
        ([Policy("policy", (RULE,), minimum_coverage=float("nan"))], [], [], "minimum_coverage"),
        ([Policy("policy", (RULE,), description="x" * 501)], [], [], "description"),
        ([Policy(f"p{i}", (RULE,)) for i in range(POLICIES_MAX + 1)], [], [], "policies"),
        ([POLICY], [Pool(f"p{i}", "policy") for i in range(POOLS_MAX + 1)], [], "pools"),
        ([], [], [Feed(f"f{i}") for i in range(FEEDS_MAX + 1)], "feeds"),
        ([], [], [Feed("a", ((5, 5),))], "feeds.covered"),
        ([], [], [Feed("a", ((5, 4),))], "feeds.covered"),
        ([], [], [Feed("a", ((5, 9), (8, 10)))], "feeds.covered"),
        ([], [], [Feed("a", ((-1, 9),))], "feeds.covered"),
        ([], [], [Feed("a", ((5, 2**32),))], "feeds.covered"),
        ([], [], [Feed("a", tuple((2 * i, 2 * i + 1) for i in range(4098)))], "feeds.covered"),
    ],
)  # fmt: skip
def test_settings_out_of_bounds_are_refused_and_change_nothing(
    policies: list[Policy], pools: list[Pool], feeds: list[Feed], field: str
) -> None:
    table = make_table()
    published = [Feed("switch", ((START, START + 10),))]
    publish_settings(table.segment, [POLICY], [POOL], published)
    with pytest.raises(SettingError) as caught:
        publish_settings(table.segment, policies, pools, feeds)
    assert caught.value.field == field
    assert list(read_policies(table.segment)) == [POLICY]
    assert list(read_pools(table.segment)) == [POOL]
    assert list(read_feeds(table.segment)) == published
    verdicts, _ = table.engine.check(np.array(NUMBERS, np.uint64), now=START)
    assert verdicts.tolist() == [Verdict.CLEAN] * 8


@pytest.mark.slow
def test_most_settings_that_fit_are_taken() -> None:
    policies = [Policy(f"policy-{i}", (RULE,) * 8) for i in range(POLICIES_MAX)]
    feeds = [
        Feed(f"feed-{i}", tuple((2 * j, 2 * j + 1) for j in range(4097))) for i in range(16)
    ] + [Feed(f"feed-{i}") for i in range(16, FEEDS_MAX)]
    required = tuple(feed.name for feed in feeds[:16])
    pools = [Pool(f"pool-{i}", policies[-1].name, required) for i in range(POOLS_MAX)]
    table = make_table()
    publish_settings(table.segment, policies, pools, feeds)
    assert list(read_policies(table.segment)) == policies
    assert list(read_pools(table.segment)) == pools
    assert list(read_feeds(table.segment)) == feeds
    explanation = table.engine.explain(NUMBERS[0], now=START + 10)
    assert explanation is not None and explanation.coverage == 0.0


def test_new_settings_reach_other_mappings_at_their_next_question(tmp_path: Path) -> None:
    table = make_table(tmp_path / "segment")
    other = Engine(Segment.open(tmp_path / "segment"), caller_key=KEY)
    asked = np.array(NUMBERS[:1], np.uint64)
    insert(other, [a_call(after_s=5)])
    assert other.check(asked, now=START + 10)[0].tolist() == [Verdict.NOISY]
    publish_settings(table.segment, [Policy("policy", (Rule(Measure.EVENTS, 100, 5),))], [POOL])
    assert other.check(asked, now=START + 10)[0].tolist() == [Verdict.CLEAN]


def test_repeated_publishing_of_the_most_common_kind_of_change_is_seen(tmp_path: Path) -> None:
    table = make_table(tmp_path / "segment")
    pool = Pool("pool", "policy", ("switch",))
    for covered_s in range(1, 20):
        publish_settings(
            table.segment, [POLICY], [pool], [Feed("switch", ((START, START + covered_s),))]
        )
        explanation = table.engine.explain(NUMBERS[0], now=START + 20)
        assert explanation is not None and explanation.coverage == covered_s / 20


def test_new_writer_changes_nothing_of_a_table_in_order(tmp_path: Path) -> None:
    table = make_table(tmp_path / "segment")
    insert(table.engine, [a_call()])
    table.writer.set_state(NUMBERS[1], State.HELD, since=START)
    before = (tmp_path / "segment").read_bytes()
    TableWriter(table.segment)
    assert (tmp_path / "segment").read_bytes() == before


def test_digest_covers_the_entries_that_count_and_nothing_else() -> None:
    table, twin = make_table(), make_table(numbers=reversed(NUMBERS))
    assert table.engine.state_hash() == twin.engine.state_hash()
    events = [a_call(number, after_s) for number in NUMBERS for after_s in range(20)]
    insert(table.engine, events)
    insert(twin.engine, events[::-1] + events)
    assert table.engine.state_hash() == twin.engine.state_hash()
    insert(twin.engine, [a_call(NUMBERS[0], 20)])
    assert table.engine.state_hash() != twin.engine.state_hash()
    insert(table.engine, [a_call(NUMBERS[0], 20, caller=ALICE)])
    assert table.engine.state_hash() == twin.engine.state_hash()
    table.writer.set_state(NUMBERS[0], State.HELD, since=START)
    assert table.engine.state_hash() != twin.engine.state_hash()


@pytest.mark.parametrize("numbers_max", [1, 3, 100])
def test_selection_in_pages_finds_each_number_once(numbers_max: int) -> None:
    table = make_table(numbers=range(447700900000, 447700900050), capacity_numbers=100)
    found: list[int] = []
    at = 0
    while at < table.segment.numbers:
        page, at = table.engine.select(at, now=START, numbers_max=numbers_max, records_max=7)
        assert len(page) <= numbers_max
        found += page.tolist()
    assert found == list(range(447700900000, 447700900050))


@pytest.mark.parametrize(
    ("prefix", "count"),
    [("4", 8), ("447700900", 8), ("447700900003", 1), (f"{NUMBERS[3]}0", 0), ("45", 0), ("1", 0)],
)
def test_selection_by_prefix_compares_digits(prefix: str, count: int) -> None:
    table = make_table()
    found, _ = table.engine.select(0, now=START, numbers_max=100, records_max=100, prefix=prefix)
    assert sorted(found) == [n for n in NUMBERS if str(n).startswith(prefix)]
    assert len(found) == count


@pytest.mark.parametrize("prefix", ["0", "+44", "4a", "4" * 16, "٤"])
def test_prefix_that_no_number_can_have_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="bound=1 to 15 digits, no leading zero"):
        make_table().engine.select(0, now=START, numbers_max=100, records_max=100, prefix=prefix)
