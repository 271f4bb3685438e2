"""The union of claims, against a set of seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.server.state.covered_time import CoveredTime

MOMENTS = st.integers(0, 40)


@given(claims=st.lists(st.tuples(MOMENTS, MOMENTS)))
@pytest.mark.slow
def test_union_has_the_seconds_of_all_claims_and_no_other(claims):
    covered = CoveredTime(claims)
    seconds = {second for begin, end in claims for second in range(begin, end)}
    assert seconds == {s for begin, end in covered.intervals for s in range(begin, end)}
    ends = [bound for interval in covered.intervals for bound in interval]
    assert ends == sorted(set(ends))  # disjoint, ascending, none touches the next
    assert len(covered) == len(covered.intervals)
    assert covered.end == max(seconds, default=-1) + 1
    gaps = {second for begin, end in covered.gaps for second in range(begin, end)}
    assert gaps == set(range(min(seconds, default=0), covered.end)) - seconds


@given(claims=st.lists(st.tuples(MOMENTS, MOMENTS)), most=st.integers(1, 5), now=MOMENTS)
def test_fewer_intervals_cover_nothing_that_was_not_claimed(claims, most, now):
    whole, fewer = CoveredTime(claims), CoveredTime(claims)
    fewer.shorten(most, now)
    assert len(fewer) == min(most, len(whole))
    assert set(fewer.intervals) <= set(whole.intervals)
    assert fewer.end == whole.end


def test_of_intervals_of_one_age_the_shortest_is_dropped_first():
    covered = CoveredTime([(0, 10), (20, 22), (30, 35), (40, 41)])
    covered.shorten(3, now=10_000)
    assert covered.intervals == ((0, 10), (30, 35), (40, 41))


def test_long_interval_of_long_ago_is_dropped_before_a_short_one_of_yesterday():
    covered = CoveredTime([(0, 1_000), (98_000, 98_100), (99_000, 99_900)])
    covered.shorten(2, now=100_000)
    assert covered.intervals == ((98_000, 98_100), (99_000, 99_900))


@given(claims=st.lists(st.tuples(MOMENTS, MOMENTS)), before=MOMENTS)
def test_what_lies_before_a_moment_is_forgotten_and_nothing_else(claims, before):
    covered = CoveredTime(claims)
    seconds = {s for begin, end in covered.intervals for s in range(begin, end)}
    covered.forget(before)
    kept = {s for begin, end in covered.intervals for s in range(begin, end)}
    assert kept == {second for second in seconds if second >= before}
    assert all(begin < end for begin, end in covered.intervals)
