"""What workers ask of a crowded table, to be stepped through: each gives what it says of numbers.

One look is done before the first that is stepped, as it reads the settings.
"""

from collections.abc import Callable

import numpy as np

from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.header_rows import HEADER
from ringfence.engine.table.records import records
from ringfence.engine.table.state_scan import numbers_in_states
from ringfence.engine.verdict.listing import NumberList
from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.verdict.question_scan import QuestionScan
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.verdict.scan import TableScan
from ringfence.engine.verdict.sweep_sums import CHANGE, SweepSums
from ringfence.engine.words import State, Verdict
from support.crowded_table import CROWD, FIRST, NOW, THIRD
from support.small_table import START

LAST = CROWD[-1]
FEW_RECORDS = 2

Said = tuple[int, ...]
"""A number, and what was said of it."""
Look = Callable[[], list[Said]]


def look_by(segment: Segment, prepare: Callable[[Segment], Look]) -> Look:
    """One that is ready to be stepped."""
    look = prepare(segment)
    look()
    return look


def check(segment: Segment) -> Look:
    numbers = np.array([FIRST, THIRD, LAST], np.uint64)
    reader = VerdictReader(segment)

    def look() -> list[Said]:
        verdicts, clean_at = reader.check(numbers, now=NOW)
        return list(zip(numbers.tolist(), verdicts.tolist(), clean_at.tolist(), strict=True))

    return look


def find_last(segment: Segment) -> Look:
    """Where its record is; -1 = nowhere."""
    scan, numbers = TableScan(segment), np.array([LAST], np.uint64)
    return lambda: [(LAST, *scan.find(numbers).tolist())]


def check_last(segment: Segment) -> Look:
    reader, numbers = VerdictReader(segment), np.array([LAST], np.uint64)
    return lambda: [(LAST, *(int(column[0]) for column in reader.check(numbers, now=NOW)))]


def check_long_ago(segment: Segment) -> Look:
    numbers = np.array([LAST, FIRST], np.uint64)
    reader = VerdictReader(segment)

    def look() -> list[Said]:
        columns = reader.check_expected(numbers, now=NOW, at=START + 10)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [(number, *row) for number, row in zip(numbers.tolist(), rows, strict=True)]

    return look


def check_as(segment: Segment) -> Look:
    reader, header = VerdictReader(segment), np.zeros(1, HEADER)
    for field in ("key", "control", "quarantined_at", "override_at", "origin"):
        header[field] = records(segment)[field][0]

    def look() -> list[Said]:
        (verdict,), (clean_at,) = reader.check_as(header, now=NOW)
        return [(FIRST, int(verdict), int(clean_at))]

    return look


def explain(segment: Segment) -> Look:
    reader = VerdictReader(segment)

    def look() -> list[Said]:
        said = reader.explain(FIRST, now=NOW)
        if said is None:
            return [(FIRST, Verdict.UNTRACKED)]
        calls = [event.occurred_at for event in said.recent]
        return [(said.number, said.verdict, said.clean_at, said.state, said.events_total, *calls)]

    return look


def list_numbers(segment: Segment) -> Look:
    numbers, listing = np.array([FIRST, LAST], np.uint64), NumberList(segment)
    return lambda: [(0, *listing.encode(numbers[at : at + 1], now=NOW)) for at in range(2)]


def select(segment: Segment) -> Look:
    reader = VerdictReader(segment)

    def look() -> list[Said]:
        found, _ = reader.select(
            0, now=NOW, numbers_max=FEW_RECORDS, records_max=FEW_RECORDS, prefix="447700900"
        )
        return [(number,) for number in found.tolist()]

    return look


def select_states(segment: Segment) -> Look:
    def look() -> list[Said]:
        found, _ = numbers_in_states(
            segment, 0, states=[State.QUARANTINED], until=NOW, records_max=FEW_RECORDS,
            numbers_max=FEW_RECORDS,
        )  # fmt: skip
        return [(number,) for number in found.tolist()]

    return look


def sweep(segment: Segment) -> Look:
    scan, seen = TableScan(segment), np.zeros(FEW_RECORDS, np.uint8)

    def look() -> list[Said]:
        step = scan.step(0, now=NOW, records_max=FEW_RECORDS, sums=SweepSums(), seen=seen)
        assert step.changes.dtype == CHANGE
        clean: list[Said] = [
            (int(row["number"]), Verdict.CLEAN, int(row["clean_at"])) for row in step.clean
        ]
        changed: list[Said] = [(int(row["key"]), int(row["current"])) for row in step.changes]
        return clean + changed

    return look


def question(segment: Segment) -> Look:
    scan = QuestionScan(segment, [Question(0), Question(0, "447700900")])

    def look() -> list[Said]:
        rows = scan.step(0, now=NOW, records_max=FEW_RECORDS).clean
        return [(int(row["number"]), int(row["clean_at"]), int(row["pool"])) for row in rows]

    return look


LOOKS = (
    check,
    check_long_ago,
    check_as,
    explain,
    list_numbers,
    select,
    select_states,
    sweep,
    question,
)
