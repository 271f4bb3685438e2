"""The union of claims, against a set of seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine.settings.policy import DAY_S, Feed
from ringfence.server.journal.keeper_value_pb2 import FeedClaims, KeeperValue
from ringfence.server.state.coverage_book import LOOKED_BACK_S, CoverageBook
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
    gaps = {second for begin, end in covered.newest_gaps(99) for second in range(begin, end)}
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


def test_newest_gaps_come_first_and_no_more_than_asked_for():
    covered = CoveredTime([(0, 1), (2, 3), (4, 5), (8, 9)])
    assert covered.newest_gaps(2) == [(5, 8), (3, 4)]
    assert covered.newest_gaps(9) == [(5, 8), (3, 4), (1, 2)]
    assert covered.newest_gaps(0) == CoveredTime([(0, 1)]).newest_gaps(9) == []
    assert CoveredTime().newest_gaps(9) == []


def test_claim_of_the_next_second_changes_the_newest_interval_alone():
    now = LOOKED_BACK_S + 1_000 * DAY_S
    book = CoverageBook()
    oldest = now - LOOKED_BACK_S - 10 * DAY_S
    value = KeeperValue(decided_at=now)
    value.claims.add(feed=0, bounds=[oldest, now - 50, now - 40, now], watermark=now)
    book.take(value)
    bounds = book.of(0).bounds
    before = list(bounds)
    for second in range(now, now + 100):
        claims = FeedClaims(feed=0, bounds=[second, second + 1], watermark=second + 1)
        book.take(KeeperValue(decided_at=second, claims=[claims]))
    assert book.of(0).bounds is bounds
    assert list(bounds) == [*before[:-1], now + 100]
    assert now - LOOKED_BACK_S - DAY_S <= bounds[0] <= now - LOOKED_BACK_S


def test_what_is_published_of_a_feed_is_no_copy():
    book = CoverageBook()
    book.take(KeeperValue(claims=[FeedClaims(feed=3, bounds=[10, 20], watermark=20)]))
    published = book.published(3, Feed("west"))
    assert published.bounds is book.of(3).bounds
    assert (published.name, published.watermark) == ("west", 20)
