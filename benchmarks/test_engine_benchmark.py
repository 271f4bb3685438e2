"""The engine's calls under pytest-benchmark, one process: `pytest benchmarks`.

For comparing two builds on one machine; engine.py has the figures for tables of real size. Not
measured: caches as cold as those of ten million numbers.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from engine_processes import BATCH, KEY, Work, make_segment
from pytest_benchmark.fixture import BenchmarkFixture

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.memory.segment import Segment
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.verdict.scan import TableScan

WORK = Work(numbers=200_000, events_total=BATCH, seed=1)


@pytest.fixture(scope="module")
def segment() -> Iterator[Segment]:
    """A table of 200,000 numbers with some events each."""
    path, segment = make_segment(WORK, "/dev/shm")
    path.unlink()
    inserter = EventInserter(segment, caller_key=KEY)
    for at in range(BATCH, 20 * BATCH, BATCH):
        inserter.insert(*WORK.events(at, at + BATCH), now=WORK.now)
    yield segment


def test_insert_of_a_batch(benchmark: BenchmarkFixture, segment: Segment) -> None:
    columns = WORK.events(0, BATCH)
    inserter = EventInserter(segment, caller_key=KEY)
    inserted = benchmark(lambda: inserter.insert(*columns, now=WORK.now))
    assert inserted.accepted == BATCH


def test_check_of_a_batch(benchmark: BenchmarkFixture, segment: Segment) -> None:
    numbers = WORK.asked(0, BATCH)
    verdicts, _ = benchmark(lambda: VerdictReader(segment).check(numbers, now=WORK.now))
    assert verdicts.size == BATCH


def test_explanation_of_a_number(benchmark: BenchmarkFixture, segment: Segment) -> None:
    number = WORK.first_number
    explanation = benchmark(lambda: VerdictReader(segment).explain(number, now=WORK.now))
    assert explanation is not None


def test_count_of_all_numbers(benchmark: BenchmarkFixture, segment: Segment) -> None:
    scan = TableScan(segment)
    counts = benchmark(lambda: scan.count(now=WORK.now))
    assert int(np.sum(counts.by_verdict)) == WORK.numbers
