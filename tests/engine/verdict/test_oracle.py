"""The oracle says what a person with a pencil says. Every figure here was worked out by hand."""

import pytest
from oracle import Oracle, Record
from support.siphash import caller_mark, siphash_2_4

from ringfence.engine.settings.policy import Feed, Policy, Pool, Rule
from ringfence.engine.words import EventKind, Measure, State, Verdict

KEY = bytes(range(16))
NUMBER = 447700900123
START = 1_000_000  # quarantined_at
ALICE, BOB, EVE = 441632960001, 441632960002, 441632960003
CALL, SMS, A2P_SMS = EventKind.CALL, EventKind.SMS, EventKind.A2P_SMS


def make_oracle(
    *rules: Rule,
    ring_entries: int = 12,
    minimum_age_s: int = 0,
    maximum_age_s: int | None = None,
    quiet_period_s: int = 0,
    minimum_coverage: float = 0.0,
    feeds: tuple[Feed, ...] = (),
) -> Oracle:
    """One number in quarantine since START under a policy of these rules."""
    oracle = Oracle(ring_entries, KEY)
    oracle.policies = [
        Policy(
            name="policy",
            rules=rules,
            minimum_age_s=minimum_age_s,
            maximum_age_s=maximum_age_s,
            quiet_period_s=quiet_period_s,
            minimum_coverage=minimum_coverage,
        )
    ]
    oracle.pools = [Pool("pool", "policy", tuple(feed.name for feed in feeds))]
    oracle.feeds = list(feeds)
    oracle.records[NUMBER] = Record(State.QUARANTINED, 0, START, START)
    return oracle


def feed(oracle: Oracle, *events: tuple[int, int] | tuple[int, int, int]) -> None:
    """Inserts events given as (caller, seconds after START) and perhaps a kind."""
    for caller, after, *kind in events:
        oracle.insert(NUMBER, caller, START + after, kind[0] if kind else CALL, START + after)


def said(oracle: Oracle, after: int) -> tuple[Verdict, int]:
    """Verdict and clean_at that many seconds after START; clean_at counted from START too."""
    answer = oracle.answer(NUMBER, START + after, START + after)
    assert answer is not None
    return answer.verdict, answer.clean_at - START


def values(oracle: Oracle, after: int) -> list[tuple[int, bool, bool]]:
    answer = oracle.answer(NUMBER, START + after, START + after)
    assert answer is not None
    return answer.rules


def test_siphash_equals_the_published_vectors() -> None:
    assert siphash_2_4(KEY, bytes(range(15))) == 0xA129CA6149BE45E5
    assert siphash_2_4(KEY, bytes(range(8))) == 0x93F5F5799A932462
    assert siphash_2_4(KEY, b"") == 0x726FDB47DD0E0E31


def test_mark_is_the_low_24_bits_of_the_hash() -> None:
    hashed = siphash_2_4(KEY, ALICE.to_bytes(8, "little"))
    assert caller_mark(KEY, ALICE) == hashed & 0xFFFFFF
    assert len({caller_mark(KEY, caller) for caller in (ALICE, BOB, EVE, 2**63 | 5)} - {0}) == 4


@pytest.mark.parametrize("caller", [0, 10**15, 2**63 - 1])
def test_withheld_callers_have_mark_zero(caller: int) -> None:
    assert caller_mark(KEY, caller) == 0


def test_hash_of_zero_becomes_one() -> None:
    caller = 2**63 | 0xA09602  # found by trying: the low 24 bits of its hash are 0
    assert siphash_2_4(KEY, caller.to_bytes(8, "little")) & 0xFFFFFF == 0
    assert caller_mark(KEY, caller) == 1


def test_events_rule_breaks_above_its_limit_and_heals_when_one_leaves_the_window() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 2))
    feed(oracle, (ALICE, 10), (ALICE, 20))
    assert said(oracle, 20) == (Verdict.CLEAN, 0)
    feed(oracle, (ALICE, 30))
    assert values(oracle, 30) == [(3, True, False)]
    assert said(oracle, 30) == (Verdict.NOISY, 110)
    assert said(oracle, 109) == (Verdict.NOISY, 110)
    assert said(oracle, 110) == (Verdict.CLEAN, 110)
    assert said(oracle, 29) == (Verdict.CLEAN, 0)


def test_limit_zero_heals_a_window_after_the_last_event() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0))
    feed(oracle, (ALICE, 10), (BOB, 50))
    assert said(oracle, 60) == (Verdict.NOISY, 150)
    assert said(oracle, 149) == (Verdict.NOISY, 150)
    assert said(oracle, 150) == (Verdict.CLEAN, 150)


def test_events_of_one_second_all_count_at_that_second() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 1))
    feed(oracle, (ALICE, 10), (BOB, 10))
    assert said(oracle, 10) == (Verdict.NOISY, 110)
    assert said(oracle, 9) == (Verdict.CLEAN, 0)


def test_resent_event_is_one_entry_and_two_of_the_total() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 1))
    feed(oracle, (ALICE, 10), (ALICE, 10))
    assert values(oracle, 10) == [(1, False, False)]
    assert oracle.records[NUMBER].events_total == 2


def test_callers_rule_takes_all_withheld_callers_for_one() -> None:
    oracle = make_oracle(Rule(Measure.CALLERS, 100, 1))
    feed(oracle, (0, 10), (10**15, 11), (0, 12), (ALICE, 13, SMS), (ALICE, 14))
    assert values(oracle, 12) == [(1, False, False)]
    assert values(oracle, 14) == [(2, True, False)]
    assert said(oracle, 14) == (Verdict.NOISY, 112)


def test_repeat_callers_counts_those_who_called_twice() -> None:
    oracle = make_oracle(Rule(Measure.REPEAT_CALLERS, 100, 0))
    feed(oracle, (ALICE, 10), (BOB, 20), (0, 30), (0, 31))
    assert said(oracle, 31) == (Verdict.CLEAN, 0)
    feed(oracle, (BOB, 60))
    assert values(oracle, 60) == [(1, True, False)]
    assert said(oracle, 60) == (Verdict.NOISY, 120)


def test_withheld_entry_can_be_the_last_violation_of_repeat_callers() -> None:
    oracle = make_oracle(Rule(Measure.REPEAT_CALLERS, 100, 0), quiet_period_s=200)
    feed(oracle, (ALICE, 10), (ALICE, 20), (0, 50))
    assert said(oracle, 50) == (Verdict.NOISY, 250)  # 50 + quiet period, not 20 + quiet period
    assert said(oracle, 250) == (Verdict.CLEAN, 250)


def test_rule_counts_only_its_kinds() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0, frozenset({A2P_SMS})))
    feed(oracle, (ALICE, 10, CALL), (ALICE, 20, SMS))
    assert said(oracle, 20) == (Verdict.CLEAN, 0)
    feed(oracle, (ALICE, 30, A2P_SMS))
    assert said(oracle, 30) == (Verdict.NOISY, 130)


def test_quiet_period_keeps_a_number_noisy_after_the_window_is_quiet() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 10, 0), quiet_period_s=100)
    feed(oracle, (ALICE, 50))
    assert values(oracle, 60) == [(0, False, False)]
    assert said(oracle, 60) == (Verdict.NOISY, 150)
    assert said(oracle, 150) == (Verdict.CLEAN, 150)


def test_young_number_is_aging_and_becomes_clean_at_its_minimum_age() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 10, 0), minimum_age_s=90)
    assert said(oracle, -1)[0] == Verdict.UNTRACKED
    assert said(oracle, 0) == (Verdict.AGING, 90)
    assert said(oracle, 89) == (Verdict.AGING, 90)
    assert said(oracle, 90) == (Verdict.CLEAN, 90)
    feed(oracle, (ALICE, 85))
    assert said(oracle, 86) == (Verdict.NOISY, 95)


def test_full_ring_is_clean_only_when_its_oldest_entry_is_past_every_reach() -> None:
    # Twelve entries of ten seconds' distance: the limit of 11 is kept, but a 13th may be gone.
    oracle = make_oracle(Rule(Measure.EVENTS, 1000, 11), quiet_period_s=50)
    feed(oracle, *((ALICE, 10 * i) for i in range(1, 12)))
    assert said(oracle, 110) == (Verdict.CLEAN, 0)
    feed(oracle, (ALICE, 120))
    assert values(oracle, 120) == [(12, True, True)]
    oracle.policies[0] = make_oracle(Rule(Measure.CALLERS, 1000, 1), quiet_period_s=50).policies[0]
    assert values(oracle, 120) == [(1, True, True)]
    assert said(oracle, 120) == (Verdict.NOISY, 1060)  # 10 + 1000 + 50
    assert said(oracle, 1059) == (Verdict.NOISY, 1060)
    assert said(oracle, 1060) == (Verdict.CLEAN, 1060)


def test_full_ring_that_reaches_back_before_the_quarantine_proves_all_after_it() -> None:
    oracle = make_oracle(Rule(Measure.CALLERS, 1000, 1))
    feed(oracle, *((ALICE, 10 * i) for i in range(1, 13)))
    oracle.records[NUMBER].quarantined_at = START + 15
    assert values(oracle, 120) == [(1, False, False)]
    assert said(oracle, 120) == (Verdict.CLEAN, 15)


def test_ring_keeps_the_greatest_entries_whatever_their_order() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0))
    times = [7, 3, 14, 1, 9, 2, 13, 12, 4, 11, 10, 5, 8, 6]
    feed(oracle, *((ALICE, after) for after in times))
    assert {entry >> 32 for entry in oracle.records[NUMBER].ring} == {
        START + after for after in range(3, 15)
    }


def test_override_makes_a_noisy_number_clean_until_the_next_event() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0), minimum_age_s=1000)
    feed(oracle, (ALICE, 10))
    oracle.records[NUMBER].override_at = START + 20
    assert said(oracle, 19) == (Verdict.NOISY, 1000)
    assert said(oracle, 20) == (Verdict.CLEAN, 20)
    assert said(oracle, 5000) == (Verdict.CLEAN, 20)
    feed(oracle, (BOB, 30))
    assert said(oracle, 29) == (Verdict.CLEAN, 20)
    assert said(oracle, 30) == (Verdict.NOISY, 1000)


def test_event_in_the_second_of_the_override_ends_it() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0))
    feed(oracle, (ALICE, 20))
    oracle.records[NUMBER].override_at = START + 20
    assert said(oracle, 20) == (Verdict.NOISY, 120)


def test_spray_caller_is_discounted_backwards_but_not_for_application_messages() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0))
    feed(oracle, (ALICE, 10, CALL))
    oracle.spray.add(caller_mark(KEY, ALICE))
    assert said(oracle, 10) == (Verdict.CLEAN, 0)
    feed(oracle, (ALICE, 20, SMS))  # accepted, takes no slot
    record = oracle.records[NUMBER]
    assert (record.events_total, len(record.ring)) == (2, 1)
    feed(oracle, (ALICE, 30, A2P_SMS))
    assert said(oracle, 30) == (Verdict.NOISY, 130)


def test_uncovered_time_makes_a_silent_number_unobserved() -> None:
    switch = Feed("switch", ((START, START + 90),))
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0), minimum_coverage=0.9, feeds=(switch,))
    assert said(oracle, 100) == (Verdict.CLEAN, 0)
    assert said(oracle, 101) == (Verdict.UNOBSERVED, 0)  # 89 of the 100 seconds from 1 to 101


def test_coverage_is_the_time_in_which_all_required_feeds_were_covered() -> None:
    east = Feed("east", ((START, START + 60),))
    west = Feed("west", ((START + 40, START + 50), (START + 55, START + 100)))
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0), feeds=(east, west))
    answer = oracle.answer(NUMBER, START + 100, START + 100)
    assert answer is not None and answer.coverage == 15 / 100


def test_time_before_observed_since_is_not_covered_and_rounds_up_to_an_hour() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 7200, 0), minimum_coverage=0.5)
    oracle.records[NUMBER].observed_since = START + 1
    answer = oracle.answer(NUMBER, START + 7200, START + 7200)
    assert answer is not None and answer.coverage == 0.5
    assert said(oracle, 7199)[0] == Verdict.UNOBSERVED
    assert said(oracle, 7200)[0] == Verdict.CLEAN


def test_time_from_now_to_a_future_time_is_covered() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0), feeds=(Feed("a", ((0, START + 50),)),))
    asked_later = oracle.answer(NUMBER, START + 120, START + 60)
    assert asked_later is not None and asked_later.coverage == 90 / 100  # 20 to 50, 60 to 120
    after_all = oracle.answer(NUMBER, START + 500, START + 60)
    assert after_all is not None and after_all.coverage == 1.0  # 400 to 500


def test_time_to_come_before_observed_since_is_not_covered() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 7200, 0))
    oracle.records[NUMBER].observed_since = START + 3600
    answer = oracle.answer(NUMBER, START + 7200, START + 10)
    assert answer is not None and answer.coverage == 0.5


def expected(oracle: Oracle, after: int, now_after: int | None = None) -> int:
    """expected_at at a time, as known at another; all counted from START."""
    now = START + (after if now_after is None else now_after)
    answer = oracle.answer(NUMBER, START + after, now)
    assert answer is not None
    return answer.expected_at - START


def test_number_that_lacks_nothing_but_silence_and_age_is_expected_when_it_is_clean() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0), minimum_age_s=90)
    assert expected(oracle, 10) == 90
    assert expected(oracle, 95) == 95  # it is clean
    feed(oracle, (ALICE, 85))
    assert expected(oracle, 86) == 185


def test_gap_is_waited_for_until_enough_of_it_is_out_of_reach() -> None:
    gap = Feed("switch", ((START, START + 60), (START + 90, START + 200)))
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0), minimum_coverage=0.9, feeds=(gap,))
    # 20 of the 30 seconds must be out of reach: the interval then begins at 80.
    assert said(oracle, 120) == (Verdict.UNOBSERVED, 0)
    assert expected(oracle, 120) == 180
    # A young number is expected when its whole life is long enough: 30 s of 300 are missed.
    oracle = make_oracle(Rule(Measure.EVENTS, 1000, 0), minimum_coverage=0.9, feeds=(gap,))
    assert expected(oracle, 120) == 300


def test_expected_time_between_then_and_now_asks_what_was_covered() -> None:
    switch = Feed("switch", ((START, START + 50), (START + 80, START + 115), (START + 125, 2**31)))
    oracle = make_oracle(Rule(Measure.EVENTS, 40, 0), minimum_coverage=0.8, feeds=(switch,))
    # Of the 40 s before 112 the last 32 were covered.
    assert expected(oracle, 70, 1000) == 112
    # What was covered until 115 is enough at 123, not at 124, and at 157 again.
    assert expected(oracle, 123, 1000) == 123
    assert expected(oracle, 124, 1000) == 157
    # As known at 100: from then on all is covered.
    oracle.feeds = [Feed("switch", ((START, START + 50), (START + 80, START + 90)))]
    assert expected(oracle, 70, 100) == 132


def test_time_before_observed_since_is_waited_for_without_feeds_too() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 7200, 0), minimum_coverage=0.5)
    oracle.records[NUMBER].observed_since = START + 3600
    assert expected(oracle, 60) == 7200
    assert expected(oracle, 0) == 0  # an empty interval is covered


def test_full_ring_and_its_reach_are_waited_for() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 1000, 11), quiet_period_s=50)
    feed(oracle, *((ALICE, 10 * i) for i in range(1, 13)))
    assert expected(oracle, 120) == 1060


def test_override_in_force_is_expected_at_once_and_a_later_one_not_yet_known() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0), minimum_age_s=1000)
    oracle.records[NUMBER].override_at = START + 20
    assert expected(oracle, 20) == 20
    assert expected(oracle, 19) == 1000


@pytest.mark.parametrize("state", [State.HELD, State.ASSIGNED, State.RETIRED])
def test_state_set_by_command_is_the_verdict(state: State) -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0))
    oracle.records[NUMBER].state = state
    answer = oracle.answer(NUMBER, START, START)
    assert answer is not None and (answer.verdict.name, answer.clean_at) == (state.name, 0)
    before = oracle.answer(NUMBER, START - 1, START)
    assert before is not None and before.verdict == Verdict.UNTRACKED


def test_lease_counts_until_it_ends() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0))
    oracle.records[NUMBER].state = State.RESERVED
    oracle.records[NUMBER].since = START + 10
    assert said(oracle, 9)[0] == Verdict.RESERVED
    assert said(oracle, 10) == (Verdict.CLEAN, 0)


def test_unknown_and_free_numbers_have_no_answer() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0))
    assert oracle.answer(NUMBER + 1, START, START) is None
    oracle.records[NUMBER].state = State.FREE
    assert oracle.answer(NUMBER, START, START) is None


def test_overdue_is_told_of_numbers_that_still_are_not_clean_at_the_maximum_age() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0), maximum_age_s=300)
    feed(oracle, (ALICE, 250))

    def overdue(after: int) -> bool:
        answer = oracle.answer(NUMBER, START + after, START + after)
        assert answer is not None
        return answer.overdue

    assert [overdue(after) for after in (299, 300, 349, 350)] == [False, True, True, False]
    oracle.records[NUMBER].state = State.HELD
    assert overdue(350)
    oracle.records[NUMBER].state = State.RETIRED
    assert not overdue(350)


def test_clean_at_stays_within_32_bits() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0))
    late = 2**32 - 10
    oracle.insert(NUMBER, ALICE, late, CALL, late)
    answer = oracle.answer(NUMBER, late, late)
    assert answer is not None
    assert (answer.verdict, answer.clean_at) == (Verdict.NOISY, 2**32 - 1)


@pytest.mark.parametrize(
    ("called", "occurred_at", "kind", "outcome"),
    [
        (NUMBER, START, CALL, "accepted"),
        (NUMBER, START + 300, CALL, "accepted"),
        (NUMBER, START + 301, CALL, "rejected"),
        (NUMBER, 0, CALL, "rejected"),
        (NUMBER, START - 1, CALL, "untracked"),
        (NUMBER + 1, START, CALL, "untracked"),
        (999_999, START, CALL, "rejected"),
        (10**15, START, CALL, "rejected"),
        (NUMBER, START, 0, "rejected"),
        (NUMBER, START, 7, "rejected"),
    ],
)
def test_event_outside_the_bounds_is_refused(
    called: int, occurred_at: int, kind: int, outcome: str
) -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0))
    assert oracle.insert(called, ALICE, occurred_at, kind, START) == outcome


def test_recent_events_tell_callers_apart_by_tag_newest_first() -> None:
    oracle = make_oracle(Rule(Measure.EVENTS, 100, 0))
    feed(oracle, (ALICE, 10), (BOB, 20, SMS), (0, 30), (ALICE, 40), (EVE, 50))
    answer = oracle.answer(NUMBER, START + 45, START + 45)
    assert answer is not None
    assert answer.recent == [
        (START + 40, CALL, 1, False),
        (START + 30, CALL, 0, False),
        (START + 20, SMS, 2, False),
        (START + 10, CALL, 1, False),
    ]
