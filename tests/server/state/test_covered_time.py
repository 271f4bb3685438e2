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


@given(claims=st.lists(st.tuples(MOMENTS, MOMENTS)), most=st.integers(1, 5))
def test_fewer_intervals_cover_nothing_that_was_not_claimed(claims, most):
    whole, fewer = CoveredTime(claims), CoveredTime(claims)
    fewer.shorten(most)
    assert len(fewer) == min(most, len(whole))
    assert set(fewer.intervals) <= set(whole.intervals)
    assert fewer.end == whole.end


def test_the_shortest_interval_is_dropped_first():
    covered = CoveredTime([(0, 10), (20, 22), (30, 35), (40, 41)])
    covered.shorten(3)
    assert covered.intervals == ((0, 10), (30, 35), (40, 41))


def test_earlier_one_of_the_shortest_intervals_is_dropped():
    covered = CoveredTime([(0, 10), (20, 22), (30, 32), (40, 42), (50, 51)])
    covered.shorten(3)
    assert covered.intervals == ((0, 10), (40, 42), (50, 51))
