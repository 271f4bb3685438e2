"""expected_at is the first second at which a number is clean: each second before it is tried.

RINGFENCE_EXAMPLES asks for a longer run.
"""

import os
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.feed_model import union
from support.run_seed import run_seed
from support.small_table import ALICE, BOB, NUMBERS, START, SmallTable, insert, make_table

from ringfence.engine.settings.policy import Feed, Policy, Pool, Rule
from ringfence.engine.settings.writing import publish_coverage, publish_settings
from ringfence.engine.words import DisconnectReason, EventKind, Measure, Verdict

NUMBER = np.array(NUMBERS[:1], np.uint64)
FOR_EVER = 2**32 - 1
EXAMPLES = int(os.environ.get("RINGFENCE_EXAMPLES", "60"))


@dataclass(frozen=True)
class History:
    """One number's life in seconds after START, and when it is looked at."""

    policy: Policy
    feeds: tuple[Feed, ...]
    observed_after: int
    calls: tuple[tuple[int, int], ...]  # caller, when
    asked: int
    now: int


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A history short enough to try every second; all calls come before the time asked about."""
    asked = draw(st.integers(1, 200))
    measure = draw(st.sampled_from([Measure.EVENTS, Measure.REPEAT_CALLERS]))
    policy = Policy(
        "policy",
        (Rule(measure, draw(st.integers(1, 80)), draw(st.integers(0, 2))),),
        minimum_age_s=draw(st.integers(0, 120)),
        quiet_period_s=draw(st.just(0) | st.integers(0, 60)),
        minimum_coverage=draw(st.sampled_from([0.5, 0.9, 0.95, 0.999, 1.0]) | st.floats(0, 1)),
    )
    feeds = []
    for name in ("east", "west")[: draw(st.integers(0, 2))]:
        edges = sorted(draw(st.sets(st.integers(-90, 260), min_size=2, max_size=16)))
        spells = zip(edges[::2], edges[1::2], strict=False)
        feeds.append(Feed(name, tuple((START + begin, START + end) for begin, end in spells)))
    moments = st.integers(0, asked)
    return History(
        policy=policy,
        feeds=tuple(feeds),
        observed_after=draw(st.sampled_from([0, 0, 0, 1])),  # in whole hours, rounded up
        calls=tuple(draw(st.lists(st.tuples(st.sampled_from([ALICE, BOB]), moments), max_size=9))),
        asked=asked,
        now=asked + draw(st.just(0) | st.integers(-30, 150)),
    )


def play(history: History) -> SmallTable:
    """The history up to the moment at which it is looked at."""
    table = make_table(numbers=[])
    pool = Pool("pool", "policy", tuple(feed.name for feed in history.feeds))
    publish_settings(table.segment, [history.policy], [pool], history.feeds)
    table.writer.quarantine(
        NUMBER,
        pool=0,
        quarantined_at=np.array([START], np.uint32),
        observed_since=np.array([START + history.observed_after], np.uint32),
        reason=np.array([DisconnectReason.INACTIVITY], np.uint8),
        now=START,
    )
    calls = [(NUMBERS[0], who, START + when, EventKind.CALL) for who, when in history.calls]
    insert(table.engine, calls)
    return table


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(history=histories())
def test_number_that_stays_silent_is_clean_at_that_second_and_not_before(history: History) -> None:
    table, asked, now = play(history), START + history.asked, START + history.now
    (verdict,), (clean_at,), (expected_at,) = table.engine.check_expected(NUMBER, now=now, at=asked)
    assert expected_at >= max(clean_at, asked)
    assert (expected_at == asked) == (verdict == Verdict.CLEAN)
    heard = {
        index: replace(feed, covered=tuple(union([*_until(feed, now), (now, FOR_EVER)])))
        for index, feed in enumerate(history.feeds)
    }
    publish_coverage(table.segment, heard)
    later = [
        table.engine.check(NUMBER, now=FOR_EVER, at=moment)[0][0]
        for moment in range(asked, int(expected_at) + 1)
    ]
    assert later[-1] == Verdict.CLEAN
    assert Verdict.CLEAN not in later[:-1]


def _until(feed: Feed, now: int) -> list[tuple[int, int]]:
    return [(begin, min(end, now)) for begin, end in feed.covered if begin < now]


def test_most_gaps_that_are_kept_are_searched_to_the_second() -> None:
    """Thousands of gaps, so that the covered share is about the minimum all the time."""
    seed = run_seed()
    print(f"seed={seed}")
    dice = np.random.default_rng(seed)
    span, reach = 30_000, 4_000
    covered = np.ones(span, np.bool_)
    feeds = []
    for name in ("east", "west"):
        edges = np.cumsum(dice.integers(1, 9, 2 * 3_000)).reshape(-1, 2)
        edges = edges[edges[:, 1] < span]
        listened = np.zeros(span, np.bool_)
        for begin, end in edges:
            listened[begin:end] = True
        covered &= listened
        feeds.append(Feed(name, tuple((START + int(a), START + int(b)) for a, b in edges)))
    minimum = float(covered.mean())
    policy = Policy("policy", (Rule(Measure.EVENTS, reach, 0),), minimum_coverage=minimum)
    table = make_table(numbers=[])
    publish_settings(table.segment, [policy], [Pool("pool", "policy", ("east", "west"))], feeds)
    quarantined = np.sort(dice.choice(span - 1, len(NUMBERS), replace=False))
    for number, after in zip(NUMBERS, quarantined, strict=True):
        table.quarantine([number], START + int(after))
    for now in (int(quarantined[-1]), span // 2, span - 1):
        heard = np.concatenate([covered[:now], np.ones(span + reach - now, np.bool_)])
        for asked in dice.integers(0, now + 1, 60).tolist():
            told = table.engine.check_expected(
                np.array(NUMBERS, np.uint64), now=START + now, at=START + asked
            )[2]
            for after, expected_at in zip(quarantined.tolist(), told.tolist(), strict=True):
                wanted = first_enough(heard, after, asked, reach, minimum)
                assert expected_at == (START + wanted if after <= asked else 0), (now, asked)


def first_enough(
    heard: npt.NDArray[np.bool_], quarantined: int, asked: int, reach: int, minimum: float
) -> int:
    """The first second from `asked` on at which enough is covered, by looking at all of them."""
    ends = np.arange(asked, heard.size + 1)
    begins = np.maximum(quarantined, ends - reach)
    before = np.concatenate([[0], np.cumsum(heard)])
    lengths = np.maximum(ends - begins, 1)
    enough = (ends == begins) | ((before[ends] - before[begins]) / lengths >= minimum)
    return int(ends[np.argmax(enough)])


def test_moment_beyond_the_last_that_can_be_written_is_that_one() -> None:
    table = make_table()
    late = 2**32 - 10
    insert(table.engine, [(NUMBERS[0], ALICE, late, EventKind.CALL)], now=late)
    _, clean_at, expected_at = table.engine.check_expected(NUMBER, now=late)
    assert (clean_at[0], expected_at[0]) == (FOR_EVER, FOR_EVER)
