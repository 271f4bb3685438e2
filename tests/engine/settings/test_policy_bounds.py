"""Each bound of a policy, pool, feed: what lies on it is taken, else field and bound are named."""

from dataclasses import replace
from typing import Any

import pytest

from ringfence.engine.memory.segment import RING_ENTRIES
from ringfence.engine.settings.policy import (
    DAY_S,
    Feed,
    Policy,
    Pool,
    Rule,
    SettingError,
    check_reachable,
)
from ringfence.engine.words import Measure

RULE = Rule(Measure.EVENTS, DAY_S, 3)
POLICY = Policy("policy", (RULE,))
YEARS_S = 3_650 * DAY_S
LONG_S = 400 * DAY_S


def refusal(policy: Policy, ring_entries: int = 12) -> str:
    with pytest.raises(SettingError) as caught:
        policy.check(ring_entries)
    return str(caught.value)


def ruled(**fields: Any) -> Policy:
    """A policy whose second rule is another."""
    return replace(POLICY, rules=(RULE, replace(RULE, **fields)))


@pytest.mark.parametrize("ring_entries", RING_ENTRIES)
@pytest.mark.parametrize("measure", list(Measure))
def test_limit_of_a_rule_is_what_its_ring_can_count(measure: Measure, ring_entries: int) -> None:
    most = {Measure.REPEAT_CALLERS: ring_entries // 2}.get(measure, ring_entries) - 1
    for limit in (0, most):
        ruled(measure=measure, limit=limit).check(ring_entries)
    for limit in (-1, most + 1, 2**32):
        told = refusal(ruled(measure=measure, limit=limit), ring_entries)
        assert told == f"rules[1].limit: value={limit}, bound=0 to {most}"


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("minimum_age", 0, YEARS_S),
        ("maximum_age", 1, YEARS_S),
        ("quiet_period", 0, LONG_S),
        ("rules[1].window", 1, LONG_S),
    ],
)
def test_span_of_time_has_a_least_and_a_greatest(field: str, least: int, most: int) -> None:
    def policy(value: int) -> Policy:
        if field == "rules[1].window":
            return ruled(window_s=value)
        return replace(POLICY, **{f"{field}_s": value})

    for value in (least, most):
        policy(value).check(12)
    for value in (least - 1, most + 1, 2**63):
        told = refusal(policy(value))
        assert told == f"{field}: value={value} s, bound={least} to {most} s"


def test_policy_has_one_to_eight_rules() -> None:
    for count in (1, 8):
        replace(POLICY, rules=(RULE,) * count).check(12)
    for count in (0, 9):
        told = refusal(replace(POLICY, rules=(RULE,) * count))
        assert told == f"rules: value={count}, bound=1 to 8"


def test_coverage_is_a_share() -> None:
    for share in (0.0, 1.0):
        replace(POLICY, minimum_coverage=share).check(12)
    for share in (-0.001, 1.001, float("nan"), float("inf")):
        told = refusal(replace(POLICY, minimum_coverage=share))
        assert told == f"minimum_coverage: value={share}, bound=0 to 1"


def test_feeds_that_are_required_never_cover_all_of_the_time() -> None:
    fed, unfed = Pool("fed", "policy", ("msc-1",)), Pool("unfed", "policy")
    for share, pool in ((0.999, fed), (1.0, unfed)):
        check_reachable(replace(POLICY, minimum_coverage=share), pool)
    for share in (0.9990000000000001, 1.0):
        with pytest.raises(SettingError) as caught:
            check_reachable(replace(POLICY, minimum_coverage=share), fed)
        assert str(caught.value) == (
            f"minimum_coverage: value={share}, bound=0 to 0.999 where feeds are required, as pool"
            " 'fed' does"
        )


def test_all_bounds_may_be_reached_together() -> None:
    rule = Rule(Measure.EVENTS, LONG_S, 11)
    Policy("x" * 63, (rule,) * 8, YEARS_S, YEARS_S, LONG_S, 1.0, "d" * 500).check(12)
    assert refusal(replace(POLICY, name="x" * 64)).startswith("name: value='xxx")
    told = refusal(replace(POLICY, description="d" * 501))
    assert told == "description: value=501 characters, bound=500"


def test_pool_requires_at_most_sixteen_feeds_and_each_once() -> None:
    names = tuple(f"msc-{n}" for n in range(17))
    Pool("pool", "policy", names[:16]).check()
    for pool, told in (
        (Pool("pool", "policy", names), "required_feeds: value=17, bound=0 to 16"),
        (Pool("pool", "policy", ("a", "b", "a")), "required_feeds: value=one feed twice, bound="),
        (Pool("pool", "policy", ("a", "B")), "required_feeds[1]: value='B', bound="),
        (Pool("", "policy"), "name: value='', bound="),
        (Pool("pool", "Policy"), "policy: value='Policy', bound="),
    ):
        with pytest.raises(SettingError) as caught:
            pool.check()
        assert str(caught.value).startswith(told)


def test_feed_may_be_silent_for_five_seconds_to_a_day() -> None:
    for silence_s in (5, DAY_S):
        Feed("msc-1", silence_max_s=silence_s).check()
    for silence_s in (4, DAY_S + 1):
        with pytest.raises(SettingError) as caught:
            Feed("msc-1", silence_max_s=silence_s).check()
        assert str(caught.value) == f"silence_max: value={silence_s} s, bound=5 to 86400 s"
