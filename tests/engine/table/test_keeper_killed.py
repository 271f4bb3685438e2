"""A keeper killed anywhere while numbers come and leave: no number is lost, no slot, no way there.

A process that is killed leaves memory as it is. So the keeper is stopped before each access to the
segment, and each state that is seen there is one that a kill can leave. In each of them queries are
answered rightly by workers that go on without a keeper; then the next keeper begins. That one is
killed everywhere too.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.crowded_table import (
    CROWD,
    NOW,
    OTHERS,
    check_soundness,
    crowded_table,
    fill_and_empty_twice,
    image_of,
    number_of,
    put_image,
    reopened,
)
from support.keeper_changes import (
    Change,
    act_on,
    another_comes,
    begin_on,
    both_come_back,
    comes_back,
    first_left_with_a_late_event,
    first_makes_room,
    leaves,
    nothing,
    others_come,
    three_left,
    two_left_and_parted,
)
from support.single_step import SteppedProcess
from support.small_table import SmallTable

from ringfence.engine.answers import Header, Unsettled
from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.records import records
from ringfence.engine.verdict.listing import NumberList
from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.verdict.question_scan import QuestionScan
from ringfence.engine.verdict.scan import TableScan
from ringfence.engine.verdict.sweep_sums import SweepSums
from ringfence.engine.words import State, Verdict
from ringfence.v1.number_service_pb2 import ListNumbersResponse

pytestmark = pytest.mark.slow

INDEX_MOVES, HOLE = 192, 208  # record.h; between them the epoch
EVERYBODY = [*CROWD, *OTHERS]
GONE = (Verdict.UNTRACKED, 0)

Answers = dict[int, tuple[int, int]]
"""The verdict and clean_at of each number."""
Kept = tuple[Header, list[int]] | None
"""The header and the entries of a number."""


def essence(image: bytes) -> bytes:
    """Images that differ only in how often the index and the epoch moved are one state."""
    return image[:INDEX_MOVES] + image[HOLE:]


def states_seen(keeper: SteppedProcess, segment: Segment) -> Iterator[bytes]:
    """The states of the segment before each access of a keeper, and after all."""
    for _ in keeper.accesses():
        yield image_of(segment)
    yield image_of(segment)


class Beholder:
    """Looks at a table as workers do, and as the next keeper does."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.engine = reopened(segment).engine
        self.list = NumberList(segment)
        self.scan = TableScan(segment)

    def checked(self, number: int) -> tuple[int, int] | None:
        """The verdict and clean_at of a number; None while its header does not settle."""
        try:
            (verdict,), (clean_at,) = self.engine.check(np.array([number], np.uint64), now=NOW)
        except Unsettled:
            assert number in self.odd(), "another header is none of its business"
            return None
        return int(verdict), int(clean_at)

    def listed(self, number: int) -> tuple[int, int] | None:
        """The same, as a list says it."""
        try:
            encoded = self.list.encode(np.array([number], np.uint64), now=NOW)
        except Unsettled:
            assert number in self.odd()
            return None
        found = ListNumbersResponse.FromString(encoded).numbers
        return (found[0].verdict, found[0].clean_at.seconds) if found else GONE

    def scanned(self) -> Iterator[list[tuple[int, int]]]:
        """The clean numbers and their clean_at, as each kind of sweep finds them."""
        whole = self.segment.capacity_numbers
        step = self.scan.step(0, now=NOW, records_max=whole, sums=SweepSums())
        questions = QuestionScan(self.segment, [Question(0)])
        answered = questions.step(0, now=NOW, records_max=whole)
        for rows in (step.clean, answered.clean):
            yield [(int(row["number"]), int(row["clean_at"])) for row in rows]

    def odd(self) -> set[int]:
        """The numbers whose headers are being written."""
        rows = records(self.segment)
        return {number_of(row) for row in rows if int(row["control"]) >> 8 & 1}

    def answers(self) -> Answers:
        """What is said of everybody, at a quiet time."""
        return {number: self.checked(number) or GONE for number in EVERYBODY}

    def kept(self, table: SmallTable) -> dict[int, Kept]:
        """What is kept of everybody, at a quiet time; None of those that are gone."""
        headers, rings = {each: table.writer.header(each) for each in EVERYBODY}, table.rings()
        return {
            number: None
            if header is None or header.state == State.FREE
            else (header, rings[number])
            for number, header in headers.items()
        }


def check_queries(seen: Beholder, before: Answers, after: Answers) -> None:
    """Asserts that everybody is told what was right before the change, or is after it."""
    right = {number: {before[number], after[number]} for number in EVERYBODY}
    for number in EVERYBODY:
        assert seen.checked(number) in right[number] | {None}, number
        assert seen.listed(number) in right[number] | {None}, number
    for rows in seen.scanned():
        numbers = [number for number, _ in rows]
        assert len(set(numbers)) == len(numbers), "a number was met twice"
        assert all((Verdict.CLEAN, clean_at) in right[number] for number, clean_at in rows)
        stay = {number for number in EVERYBODY if right[number] == {before[number]} != {GONE}}
        assert stay <= {*numbers} | seen.odd()


@pytest.mark.parametrize(
    ("numbers", "prepare", "change", "ring_entries"),
    [
        (CROWD, nothing, leaves, 12),
        (CROWD[:5], first_left_with_a_late_event, comes_back, 12),  # to its own slot
        (CROWD, leaves, comes_back, 12),  # to another one
        (CROWD, two_left_and_parted, both_come_back, 12),
        (CROWD[:4], nothing, another_comes, 12),
        (CROWD, three_left, others_come, 12),
        (CROWD, first_left_with_a_late_event, another_comes, 12),
        (CROWD, nothing, first_makes_room, 124),
    ],
)
def test_next_keeper_finds_a_sound_table(
    tmp_path: Path, numbers: list[int], prepare: Change, change: Change, ring_entries: int
) -> None:
    table = crowded_table(path := tmp_path / "segment", numbers, ring_entries=ring_entries)
    prepare(table)
    twin = crowded_table(None, [], ring_entries=ring_entries)
    seen = Beholder(twin.segment)

    states: deque[bytes] = deque()
    with SteppedProcess(path, act_on, change) as keeper:
        put_image(twin.segment, image_of(table.segment))
        before, kept_before = seen.answers(), seen.kept(reopened(twin.segment))
        states.extend(states_seen(keeper, table.segment))
        put_image(twin.segment, states[-1])
        after, kept_after = seen.answers(), seen.kept(reopened(twin.segment))
    come = [kept_after[each] for each in EVERYBODY if kept_before[each] is None]
    assert all(ring == [] for _, ring in filter(None, come))

    known: set[bytes] = set()
    with SteppedProcess(path, begin_on) as next_keeper:
        while states:
            if essence(state := states.popleft()) in known:
                continue
            known.add(essence(state))
            put_image(twin.segment, state)
            check_queries(seen, before, after)
            repaired = reopened(twin.segment)
            check_soundness(twin.segment, repaired.writer.slots)
            for number, kept in seen.kept(repaired).items():
                assert kept in (kept_before[number], kept_after[number]), number
            fill_and_empty_twice(repaired)
            put_image(table.segment, state)
            states.extend(states_seen(next_keeper, table.segment))
            next_keeper.answer()
    print(f"{change.__name__}: states={len(known)}")
    assert len(known) > 5
