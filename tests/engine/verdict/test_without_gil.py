"""What takes long to look at the table lets other threads run meanwhile.

The interpreter takes the lock from no thread here: another one runs only where it is given up.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from support.engine import Engine
from support.small_table import KEY, START, make_table

from ringfence.engine.settings.policy import Feed, Policy, Pool, Rule
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.verdict.listing import NumberList
from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.verdict.question_scan import QuestionScan
from ringfence.engine.words import Measure

COUNT = 20_000
NUMBERS = np.arange(999_000_000_000, 999_000_000_000 + COUNT, dtype=np.uint64)
NOW = START + 10
TRIES = 300  # the other thread may not be awake in time for one
SWITCH_S = 1_000.0


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Of a table with many numbers, and a feed with many intervals."""
    table = make_table(numbers=NUMBERS.tolist(), capacity_numbers=COUNT)
    covered = tuple((START + 10 * i, START + 10 * i + 5) for i in range(4_000))
    feeds = [Feed(f"feed-{i}", covered) for i in range(4)]
    pool = Pool("pool", "policy", tuple(feed.name for feed in feeds))
    publish_settings(
        table.segment, [Policy("policy", (Rule(Measure.EVENTS, 100, 0),))], [pool], feeds
    )
    return Engine(table.segment, caller_key=KEY)


@contextmanager
def no_thread_is_interrupted() -> Iterator[None]:
    """As long as this lasts."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def lets_others_run(look: Callable[[], object]) -> bool:
    """Whether another thread has run before a call has returned, once at least; not before the
    first, which may read settings.
    """
    look()
    ran: list[bool] = []
    gate = threading.Lock()
    gate.acquire()

    def run() -> None:
        with gate:
            ran.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with no_thread_is_interrupted():
            gate.release()
            for _ in range(TRIES):
                look()
                if ran:
                    return True
        return False
    finally:
        thread.join()


def test_thread_that_gives_nothing_up_lets_no_other_run() -> None:
    assert not lets_others_run(lambda: sum(range(10_000)))


@pytest.mark.parametrize("method", ["check", "check_expected"])
def test_numbers_are_checked_beside_other_threads(engine: Engine, method: str) -> None:
    assert lets_others_run(lambda: getattr(engine, method)(NUMBERS, now=NOW))


def test_numbers_are_listed_beside_other_threads(engine: Engine) -> None:
    assert lets_others_run(lambda: engine.select(0, now=NOW, numbers_max=COUNT, records_max=COUNT))


def test_numbers_are_checked_under_other_headers_beside_other_threads(engine: Engine) -> None:
    headers = TableWriter(engine.segment).header_rows(NUMBERS)
    assert lets_others_run(lambda: engine.check_as(headers, now=NOW))


def test_numbers_are_encoded_beside_other_threads(engine: Engine) -> None:
    listed = NumberList(engine.segment)
    assert lets_others_run(lambda: listed.encode(NUMBERS, now=NOW))


def test_questions_are_answered_beside_other_threads(engine: Engine) -> None:
    scan = QuestionScan(engine.segment, [Question(0, "")])
    assert lets_others_run(lambda: scan.step(0, now=NOW, records_max=COUNT))


def test_settings_and_coverage_are_read_beside_other_threads(engine: Engine) -> None:
    """By who looks at one number for the first time, and holds the lock for the rest of it."""
    segment, number = engine.segment, int(NUMBERS[0])
    new = iter([Engine(segment, caller_key=KEY) for _ in range(1 + TRIES)])
    assert lets_others_run(lambda: next(new).explain(number, now=NOW))
