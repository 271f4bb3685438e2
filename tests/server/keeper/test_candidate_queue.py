"""The candidate queue against a sorted list that does the same slowly."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ringfence.engine.verdict.sweep_sums import CANDIDATE
from ringfence.server.keeper.queue import candidate_queue
from ringfence.server.keeper.queue.candidate_queue import (
    PUT_MAX,
    TURN,
    CandidateQueue,
    CleanNumbers,
)
from ringfence.server.keeper.queue.scan_result import CleanGathering

FIRST = 447700900000
NUMBERS = range(FIRST, FIRST + 26)
PREFIXES = ["", "4", "44770090", str(FIRST)[:11], str(FIRST + 10)[:11], str(FIRST + 1), "5"]
DEPTH = 6

Row = tuple[int, int]
"""clean_at and number: the order of rows is that of the queue."""

rows = st.tuples(st.integers(0, 5), st.sampled_from(NUMBERS))
some_rows = st.lists(rows, max_size=12)


def times(of: list[Row]) -> npt.NDArray[np.uint32]:
    return np.array([clean_at for clean_at, _ in of], np.uint32)


def numbers(of: list[Row]) -> npt.NDArray[np.uint64]:
    return np.array([number for _, number in of], np.uint64)


def found(of: list[Row], depth: int = DEPTH) -> CleanNumbers:
    """What a sweep finds that meets these clean numbers."""
    of = sorted(of)
    return CleanNumbers(times(of), times(of[:depth]), numbers(of[:depth]))


def listed(queue: CandidateQueue, count: int = 1000, prefix: str = "") -> list[Row]:
    """The candidates as the queue says them."""
    clean_at, at = queue.oldest(count, prefix)
    return list(zip(clean_at.tolist(), at.tolist(), strict=True))


class PlainQueue:
    """The same as a sorted list. It forgets nothing, and is trimmed when the queue is."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.bound: Row | None = (0, 0)
        self.turns: list[tuple[str, list[Row]]] = []

    def turn(self, what: str, of: list[Row]) -> None:
        self.turns.append((what, of))
        self.act(what, of)

    def act(self, what: str, of: list[Row]) -> None:
        for row in of:  # one after the other: the last of a number counts
            self.rows = [other for other in self.rows if other[1] != row[1]]
            if what == "put" and (self.bound is None or row <= self.bound):
                self.rows.append(row)
        self.rows.sort()

    def replace(self, clean: list[Row], turns: int) -> None:
        """A sweep has found this; it began when there had been so many turns."""
        self.rows = sorted(clean)[:DEPTH]
        self.bound = self.rows[-1] if len(clean) > DEPTH else None
        for turn in self.turns[turns:]:
            self.act(*turn)


class QueueMachine(RuleBasedStateMachine):
    """A table with clean numbers, sweeps of it that take their time, and the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.before = candidate_queue.PUT_MAX
        candidate_queue.PUT_MAX = 3
        self.queue, self.plain = CandidateQueue(DEPTH), PlainQueue()
        self.table: dict[int, int] = {}  # number to clean_at: what is clean in truth
        self.sweeps: dict[int, tuple[dict[int, int], int, set[int]]] = {}
        # By mark: the table of then, the turns of then, numbers that changed untold since.

    def teardown(self) -> None:
        candidate_queue.PUT_MAX = self.before

    @rule(new=some_rows)
    def time_passes(self, new: list[Row]) -> None:
        """Numbers become clean, or noisy; nobody tells the queue."""
        for clean_at, number in new:
            if self.table.pop(number, None) is None:
                self.table[number] = clean_at
            for _, _, untold in self.sweeps.values():
                untold.add(number)

    @rule(new=some_rows)
    def put(self, new: list[Row]) -> None:
        self.table.update({number: clean_at for clean_at, number in new})
        self.queue.put(times(new), numbers(new))
        self.plain.turn("put", new)

    @rule(gone=some_rows)
    def discard(self, gone: list[Row]) -> None:
        for _, number in gone:
            self.table.pop(number, None)
        self.queue.discard(numbers(gone))
        self.plain.turn("discard", gone)

    @rule(count=st.integers(0, 8), prefix=st.sampled_from(PREFIXES))
    def take(self, count: int, prefix: str) -> None:
        clean_at, taken = self.queue.oldest(count, prefix)
        self.discard(list(zip(clean_at.tolist(), taken.tolist(), strict=True)))

    @precondition(lambda self: len(self.sweeps) < 3)
    @rule()
    def sweep_begins(self) -> None:
        self.sweeps[self.queue.mark()] = dict(self.table), len(self.plain.turns), set()

    @precondition(lambda self: self.sweeps)
    @rule(data=st.data())
    def sweep_is_given_up(self, data: st.DataObject) -> None:
        mark = data.draw(st.sampled_from(sorted(self.sweeps)))
        del self.sweeps[mark]
        self.queue.forget(mark)

    @precondition(lambda self: self.sweeps)
    @rule(data=st.data(), early=st.sets(st.sampled_from(NUMBERS)))
    def sweep_ends(self, data: st.DataObject, early: set[int]) -> None:
        """The sweep met some numbers as they were when it began, the others as they are now."""
        mark = data.draw(st.sampled_from(sorted(self.sweeps)))
        then, turns, untold = self.sweeps.pop(mark)
        met = {n: then.get(n) if n in early else self.table.get(n) for n in NUMBERS}
        clean = [(clean_at, n) for n, clean_at in met.items() if clean_at is not None]
        self.queue.replace(found(clean), mark)
        self.plain.replace(clean, turns)
        self.follow()
        there = {number: clean_at for clean_at, number in listed(self.queue)}
        bound = self.plain.bound or (6, 0)
        for number in set(NUMBERS) - untold:  # of these the keeper knew: nothing may be wrong
            if (self.table.get(number, 9), number) <= bound:
                assert there.get(number) == self.table[number]
            elif number not in self.table:
                assert number not in there

    def follow(self) -> None:
        """Where the queue has dropped what is beyond its depth, the plain one does."""
        every = listed(self.queue)
        if len(every) < len(self.plain.rows):
            assert len(every) == DEPTH
            self.plain.rows = self.plain.rows[:DEPTH]
            self.plain.bound = self.plain.rows[-1]

    @invariant()
    def queue_equals_the_plain_one(self) -> None:
        self.follow()
        every = listed(self.queue)
        assert every == self.plain.rows
        assert len(every) == len(self.queue) == len({number for _, number in every})
        for prefix in PREFIXES:
            wanted = [row for row in every if str(row[1]).startswith(prefix)]
            assert listed(self.queue, prefix=prefix) == wanted
            assert listed(self.queue, 2, prefix) == wanted[:2]
        for place, (clean_at, number) in enumerate(every):
            assert self.queue.position(number, clean_at) == place + 1
            behind = self.queue.oldest(3, after=(clean_at, number))[1].tolist()
            assert behind == [n for _, n in every[place + 1 : place + 4]]


QueueMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
test_queue_does_what_a_sorted_list_does = pytest.mark.slow(QueueMachine.TestCase)


def an_empty_queue() -> CandidateQueue:
    """Of a pool in which the first sweep found nothing."""
    queue = CandidateQueue()
    queue.replace(CleanNumbers(), queue.mark())
    return queue


def test_number_that_is_put_before_the_first_sweep_does_not_overtake_the_unknown() -> None:
    queue = CandidateQueue()
    since = queue.mark()
    queue.put(np.array([7], np.uint32), np.array([NUMBERS[3]], np.uint64))
    assert listed(queue) == []
    assert queue.position(NUMBERS[3], 7) == 0
    queue.replace(found([(5, NUMBERS[1]), (8, NUMBERS[0])]), since)
    assert listed(queue) == [(5, NUMBERS[1]), (7, NUMBERS[3]), (8, NUMBERS[0])]
    assert queue.position(NUMBERS[3], 7) == 2


def test_queue_takes_the_order_that_a_sweep_found_and_does_not_sort() -> None:
    gathering = CleanGathering(DEPTH)
    rows = np.zeros(9, CANDIDATE)
    rows["number"], rows["clean_at"] = NUMBERS[8::-1], np.arange(9)
    gathering.add(rows)
    clean = gathering.found()
    assert clean.by_number is not None
    assert clean.oldest[clean.by_number].tolist() == sorted(clean.oldest.tolist())
    queue = CandidateQueue(DEPTH)
    queue.replace(clean, queue.mark())
    assert queue._swept._by_number is clean.by_number
    assert queue._swept._numbers is clean.oldest or queue._swept._numbers.base is clean.oldest
    queue.discard(np.array([NUMBERS[8]], np.uint64))
    assert [number for _, number in listed(queue)] == list(NUMBERS[7:2:-1])


def test_of_a_sweep_that_found_more_than_is_held_the_oldest_count_that_nobody_took() -> None:
    queue = CandidateQueue(depth=3)
    since = queue.mark()
    clean = [(at, NUMBERS[at]) for at in range(10)]
    queue.discard(np.array(NUMBERS[:4], np.uint64))  # by a bulk command, while the sweep goes on
    queue.replace(found(clean, depth=8), since)
    assert listed(queue) == clean[4:7]
    queue.put(np.array([8, 2], np.uint32), np.array([NUMBERS[12], NUMBERS[2]], np.uint64))
    assert listed(queue) == [clean[2], *clean[4:7]]  # what lies behind them is not known any more
    queue.replace(found(clean, depth=8), queue.mark())
    queue.discard(np.array(NUMBERS[:3], np.uint64))
    assert listed(queue) == []


def test_candidates_that_are_passed_over_stay() -> None:
    queue = an_empty_queue()
    queue.put(np.arange(5, dtype=np.uint32), np.array(NUMBERS[:5], np.uint64))
    assert listed(queue, prefix=str(NUMBERS[3])) == [(3, NUMBERS[3])]
    queue.discard(np.array([NUMBERS[3]], np.uint64))
    assert listed(queue) == [(at, NUMBERS[at]) for at in (0, 1, 2, 4)]


def test_prefix_has_numbers_of_every_length() -> None:
    queue = an_empty_queue()
    every = [4477009, 44770091, 447700900123, 10**14, 10**15 - 1, 5477009]
    queue.put(np.zeros(6, np.uint32), np.array(every, np.uint64))
    for prefix in ("4", "4477009", "44770091", "447700900", "1", "9" * 15, "8"):
        wanted = sorted(number for number in every if str(number).startswith(prefix))
        assert [number for _, number in listed(queue, prefix=prefix)] == wanted
    with pytest.raises(ValueError, match="prefix: value='\\+44'"):
        queue.oldest(1, "+44")


def test_position_behind_those_held_counts_the_older_ones_of_the_last_sweep() -> None:
    queue = CandidateQueue(depth=2)
    clean = [(at, NUMBERS[place]) for place, at in enumerate((0, 1, 2, 3, 3))]
    queue.replace(found(clean, depth=2), queue.mark())
    assert [queue.position(number, at) for at, number in sorted(clean)] == [1, 2, 3, 4, 4]


def test_number_put_behind_those_held_does_not_overtake_those_between() -> None:
    queue = CandidateQueue(depth=2)
    queue.replace(found([(at, NUMBERS[at]) for at in range(5)], depth=2), queue.mark())
    queue.put(np.array([4], np.uint32), np.array([NUMBERS[10]], np.uint64))
    assert listed(queue) == [(0, NUMBERS[0]), (1, NUMBERS[1])]


def test_many_numbers_are_held_taken_and_put_back() -> None:
    seed = 3
    print(f"seed={seed}")
    dice = np.random.default_rng(seed)
    depth = 20_000
    every = np.arange(999_000_000_000, 999_000_050_000, dtype=np.uint64)
    clean_at = dice.integers(0, 3000, every.size).astype(np.uint32)
    order = np.lexsort((every, clean_at))
    queue = CandidateQueue(depth)
    since = queue.mark()
    queue.replace(
        CleanNumbers(clean_at[order], clean_at[order][:depth], every[order][:depth]), since
    )
    taken_at, taken = queue.oldest(10_000)
    assert np.array_equal(taken, every[order][:10_000])
    queue.discard(taken)
    assert np.array_equal(queue.oldest(5)[1], every[order][10_000:10_005])
    for begin in range(0, 10_000, 7):
        queue.put(taken_at[begin : begin + 7], taken[begin : begin + 7])
    assert taken.size > PUT_MAX
    assert np.array_equal(queue.oldest(depth)[1], every[order][:depth])


def test_what_is_remembered_for_a_sweep_is_bounded_by_the_numbers_there_are() -> None:
    queue = CandidateQueue(depth=4)
    since = queue.mark()
    for turn in range(1000):
        queue.put(np.array([turn], np.uint32), np.array([NUMBERS[turn % 3]], np.uint64))
        queue.discard(np.array([NUMBERS[turn % 3]], np.uint64))
        assert len(queue._turns) <= (4 + 2 * 3) * TURN.itemsize
    queue.replace(found([(0, NUMBERS[0])]), since)
    assert listed(queue) == []
