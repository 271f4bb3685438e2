"""What a sweep promises is kept: time is moved on, nobody calls, the feeds listen.

The stock has every mixture of ages, imported history, gaps and trouble. Whoever becomes clean, and
when, is found by asking for the verdicts of later times, with coverage as it is then.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from support.feed_model import union
from support.run_seed import run_seed
from support.small_table import ALICE, BOB, START, SmallTable, insert, make_table

from ringfence.engine.settings.policy import DAY_S, Feed, Policy, Pool, Rule
from ringfence.engine.settings.writing import publish_coverage, publish_settings
from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.verdict.question_scan import QuestionScan
from ringfence.engine.verdict.scan import FORECAST_DAYS, TableScan
from ringfence.engine.words import DisconnectReason, EventKind, Measure, Verdict

HOUR_S = 3_600
NOW = START + 60 * DAY_S
NUMBERS = np.arange(447700900000, 447700900060, dtype=np.uint64)
POLICY = Policy(
    "policy",
    (Rule(Measure.REPEAT_CALLERS, 30 * DAY_S, 0), Rule(Measure.EVENTS, 20 * DAY_S, 3)),
    minimum_age_s=20 * DAY_S,
    quiet_period_s=2 * DAY_S,
    minimum_coverage=0.95,
)
WHOLE = ((START, NOW),)
OFTEN = tuple((START + day * DAY_S, START + day * DAY_S + 20 * HOUR_S) for day in range(60))
LATE = ((NOW - 5 * DAY_S, NOW - 30),)
stocks = pytest.mark.parametrize(
    "feeds",
    [(), (WHOLE,), ((),), (OFTEN,), (LATE,), (WHOLE, OFTEN), (OFTEN, LATE)],
    ids=["no feed", "whole", "never heard", "gaps", "late", "one with gaps", "both with gaps"],
)
history = pytest.mark.parametrize("imported", [False, True], ids=["not imported", "imported"])
Covered = tuple[tuple[tuple[int, int], ...], ...]


def make_stock(feeds: Covered, imported: bool) -> tuple[SmallTable, list[Feed]]:
    """Numbers that went into quarantine in the last 50 days, some of them called since."""
    seed = run_seed()
    print(f"seed={seed}")
    dice = np.random.default_rng(seed)
    heard = [Feed(f"feed-{index}", covered) for index, covered in enumerate(feeds)]
    table = make_table(numbers=[], capacity_numbers=NUMBERS.size)
    pool = Pool("pool", "policy", tuple(feed.name for feed in heard))
    publish_settings(table.segment, [POLICY], [pool], heard)
    began_at = (NOW - dice.integers(0, 50 * DAY_S, NUMBERS.size)).astype(np.uint32)
    table.writer.quarantine(
        NUMBERS,
        pool=0,
        quarantined_at=began_at,
        observed_since=began_at if imported else np.maximum(began_at, np.uint32(NOW - HOUR_S)),
        reason=np.full(NUMBERS.size, DisconnectReason.INACTIVITY, np.uint8),
        now=NOW,
    )
    for number, after in zip(NUMBERS[::3].tolist(), began_at[::3].tolist(), strict=True):
        for who in (ALICE, ALICE, BOB)[: dice.integers(1, 4)]:
            when = int(dice.integers(after, NOW + 1))
            insert(table.engine, [(number, who, when, EventKind.CALL)], now=NOW)
    return table, heard


def verdicts_at(table: SmallTable, feeds: list[Feed], t: int) -> npt.NDArray[np.uint8]:
    """The verdicts once it is `t`, everybody having listened since NOW."""
    if t > NOW:
        heard = {
            index: replace(feed, covered=tuple(union([*feed.covered, (NOW, t)])))
            for index, feed in enumerate(feeds)
        }
        publish_coverage(table.segment, heard)
    verdicts: npt.NDArray[np.uint8] = table.engine.check(NUMBERS, now=t)[0]
    return verdicts


def asked(table: SmallTable, prefix: str = "") -> int:
    """When the next number with a prefix is clean, as a reservation is told."""
    scan = QuestionScan(table.segment, [Question(0, prefix)])
    assert scan.step(0, now=NOW, records_max=NUMBERS.size).end == NUMBERS.size
    return int(scan.next_clean_at[0])


@stocks
@history
def test_next_number_is_clean_at_the_second_that_was_promised(
    feeds: Covered, imported: bool
) -> None:
    table, heard = make_stock(feeds, imported)
    promised = int(TableScan(table.segment).count(now=NOW).next_clean_at[0])
    waiting = table.engine.check(NUMBERS, now=NOW)[0] != Verdict.CLEAN
    prefixes = [str(number) for number in NUMBERS[waiting][:5]]
    told = {prefix: asked(table, prefix) for prefix in ["", *prefixes]}
    assert told[""] == promised > NOW
    for prefix, moment in told.items():
        mine = waiting & np.array([str(number).startswith(prefix) for number in NUMBERS])
        assert Verdict.CLEAN not in verdicts_at(table, heard, moment - 1)[mine], prefix
        assert Verdict.CLEAN in verdicts_at(table, heard, moment)[mine], prefix


@stocks
@history
def test_as_many_numbers_become_clean_each_day_as_were_forecast(
    feeds: Covered, imported: bool
) -> None:
    table, heard = make_stock(feeds, imported)
    forecast = TableScan(table.segment).count(now=NOW).forecast[0]
    clean = [
        np.count_nonzero(verdicts_at(table, heard, NOW + day * DAY_S) == Verdict.CLEAN)
        for day in range(60)
    ]
    assert forecast[:59].tolist() == np.diff(clean).tolist()
    assert (clean[0] + forecast.sum(), clean[-1]) == (NUMBERS.size, NUMBERS.size)
    assert forecast.size == FORECAST_DAYS
