"""Numbers that were handed out are remembered for complaints: for a while, and not too many."""

import asyncio
import threading
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.server.keeper.reservations.hand_out_merges import merge_due
from ringfence.server.link.turns import Turns
from ringfence.server.state import hand_out_book, hand_out_runs
from ringfence.server.state.hand_out_book import KEPT_S, STALE_S, HandOutBook, Merge
from ringfence.server.state.hand_out_runs import HAND_OUT, Run, newest, run_of

NOW = 1_750_000_000
FIRST = 447700900000


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many short runs, of many chunks, without many numbers."""
    monkeypatch.setattr(hand_out_book, "RECENT_MAX", 4)
    monkeypatch.setattr(hand_out_runs, "CHUNK_ROWS", 3)
    monkeypatch.setattr(hand_out_runs, "DROPPED_CHUNKS", 2)


def add(book: HandOutBook, *numbers: int, at: int = NOW, pool: int = 1, policy: int = 2) -> None:
    book.add(np.array(numbers, np.uint64), at=at, pool=pool, policy=policy)


def done(merge: Merge) -> Run:
    """What comes of a merge."""
    while (run := merge.step()) is None:
        pass
    return run


def merge(book: HandOutBook, now: int = NOW) -> None:
    """Does all that is due."""
    while (due := book.due(now)) is not None:
        book.put(due, done(due))


def numbers_of(run: Run) -> list[int]:
    return [number for chunk in run.chunks for number in chunk["number"].tolist()]


def held(book: HandOutBook) -> list[list[int]]:
    """The numbers in each run."""
    return [numbers_of(run) for run in book.runs()]


def test_last_hand_out_of_a_number_counts():
    book = HandOutBook(most=10)
    add(book, FIRST, FIRST + 1)
    add(book, FIRST, at=NOW + 9, pool=3, policy=4)
    for _ in range(2):
        assert book.find(FIRST, NOW + 9) == (NOW + 9, 3, 4)
        assert book.find(FIRST + 1, NOW + 9) == (NOW, 1, 2)
        assert book.find(FIRST + 2, NOW + 9) is None
        assert book.find(FIRST - 1, NOW + 9) is None
        book.runs()  # the second time it lies in a run


def test_all_that_a_row_can_say_comes_back():
    book = HandOutBook(most=10)
    most = {"at": 2**32 - 1, "pool": 2**16 - 1, "policy": 2**16 - 2}
    add(book, 10**15 - 1, **most)
    add(book, FIRST, at=1, pool=0, policy=0)
    for _ in range(2):
        assert book.find(10**15 - 1, 2**32 - 1) == tuple(most.values())
        assert book.find(FIRST, 1) == (1, 0, 0)
        book.runs()


def test_hand_out_is_forgotten_after_400_days():
    book = HandOutBook(most=10)
    add(book, FIRST)
    for _ in range(2):
        assert book.find(FIRST, NOW + KEPT_S - 1) == (NOW, 1, 2)
        assert book.find(FIRST, NOW + KEPT_S) is None
        book.runs()


def test_memory_of_forgotten_hand_outs_is_given_back_a_day_later():
    book = HandOutBook(most=10)
    add(book, FIRST)
    add(book, FIRST + 1, at=NOW + 60)
    book.runs()
    assert book.due(NOW + KEPT_S + STALE_S - 1) is None
    merge(book, NOW + KEPT_S + STALE_S)
    assert held(book) == []


@pytest.mark.usefixtures("small")
def test_of_a_number_in_two_runs_the_newer_hand_out_stays():
    book = HandOutBook(most=20)
    add(book, FIRST + 2, FIRST, FIRST + 6, FIRST + 4)
    add(book, FIRST + 2, FIRST + 1, at=NOW + 5)
    assert held(book) == [[FIRST, FIRST + 2, FIRST + 4, FIRST + 6], [FIRST + 1, FIRST + 2]]
    assert len(book) == 6
    add(book, FIRST + 2, FIRST + 3, at=NOW + 6)
    book.runs()
    merge(book)
    assert held(book) == [[FIRST, FIRST + 1, FIRST + 2, FIRST + 3, FIRST + 4, FIRST + 6]]
    assert [book.find(FIRST + place, NOW + 6)[0] - NOW for place in range(4)] == [0, 5, 6, 6]


@pytest.mark.usefixtures("small")
def test_a_small_table_that_gives_its_slots_on_remembers_more_than_it_holds():
    book = HandOutBook.beside_table(10)
    for number in range(100):
        add(book, number)
        merge(book)
    assert all(book.find(number, NOW + 300 * 86_400) for number in range(100))


@pytest.mark.usefixtures("small")
def test_oldest_hand_outs_go_when_there_are_too_many():
    book = HandOutBook(most=16)
    for step in range(20):
        add(book, FIRST + 100 - step, at=NOW + step)
        merge(book, NOW + step)
        assert len(book) <= 16 + 2 + 4  # what is too much, and what is not in a run yet
    assert held(book) == [list(range(FIRST + 81, FIRST + 97))]
    assert book.find(FIRST + 100, NOW + 20) is None
    add(book, FIRST + 100, at=NOW + 20)
    assert book.find(FIRST + 100, NOW + 20) == (NOW + 20, 1, 2)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("seconds", [1, 3, 2**17, 2**32 - 1])
def test_newest_are_those_of_a_sorted_list(seed: int, seconds: int) -> None:
    print(f"seed={seed}")
    chance = np.random.default_rng(seed)
    rows = np.zeros(20, HAND_OUT)
    rows["number"] = FIRST + np.arange(20)
    rows["assigned_at"] = chance.integers(0, seconds, 20)
    order = sorted(range(20), key=lambda place: (-int(rows["assigned_at"][place]), place))
    for most in range(1, 20):
        left = done(Merge((), newest(run_of([rows]), most)))
        assert numbers_of(left) == (FIRST + np.sort(order[:most])).tolist()
        assert left.oldest_at == rows["assigned_at"][order[:most]].min()


@pytest.mark.usefixtures("small")
def test_runs_stay_as_they_are_while_the_book_goes_on():
    book = HandOutBook(most=100)
    for step in range(30):
        add(book, FIRST + step % 20, at=NOW + step)
    then = book.runs()
    before = [[chunk.tobytes() for chunk in run.chunks] for run in then]
    for step in range(30, 60):
        add(book, FIRST + step % 20, at=NOW + step)
    asyncio.run(merge_due(book, Turns("merges"), NOW + 60))  # which lets go of what it has merged
    assert len(book.runs()) < len(then)
    assert [[chunk.tobytes() for chunk in run.chunks] for run in then] == before
    other = HandOutBook(most=100)
    other.load(then)
    assert [other.find(FIRST + step, NOW + 60) for step in range(20)] == [
        (NOW + (step + 20 if step < 10 else step), 1, 2) for step in range(20)
    ]


HandedOut = tuple[list[int], int, int]


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@settings(deadline=None, max_examples=80)
@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.lists(st.integers(0, 30), max_size=9),
                st.sampled_from([0, 1, 3_600, KEPT_S // 9]),
                st.integers(0, 1_023),
            ),
            st.sampled_from(["merge", "begin a merge", "end a merge", "image"]),
        ),
        max_size=60,
    )
)
def test_it_is_what_a_dictionary_is(steps: list[HandedOut | str]) -> None:
    book, twin, now = HandOutBook(most=1_000), dict[int, tuple[int, int, int]](), NOW
    begun: tuple[Merge, Run] | None = None
    for step in steps:
        if not isinstance(step, str):
            places, later_s, pool = step
            now += later_s
            numbers = [FIRST + place for place in places]
            add(book, *numbers, at=now, pool=pool)
            twin.update(dict.fromkeys(numbers, (now, pool, 2)))
        elif step == "image":
            loaded = HandOutBook(most=1_000)
            loaded.load(book.runs())
            book, begun = loaded, None
        elif step == "begin a merge" and begun is None:
            due = book.due(now)
            begun = due and (due, done(due))
        elif begun is not None:
            book.put(*begun)
            begun = None
        elif step == "merge":
            merge(book, now)
            rows = [run.rows for run in book.runs()]
            assert all(older >= 2 * newer for older, newer in pairwise(rows[:-1]))
        for number in range(FIRST, FIRST + 31):
            known = twin.get(number)
            fresh = known is not None and known[0] > now - KEPT_S
            assert book.find(number, now) == (known if fresh else None)


@pytest.mark.usefixtures("small")
def test_runs_are_merged_in_another_thread_and_there_are_few_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = set()
    step = Merge.step

    def seen(merge: Merge) -> Run | None:
        threads.add(threading.current_thread().name)
        return step(merge)

    monkeypatch.setattr(Merge, "step", seen)
    book = HandOutBook(most=10_000)
    for first in range(0, 2_000, 4):
        add(book, *range(FIRST + first, FIRST + first + 4), at=NOW + first)
    assert len(book.runs()) == 500
    asyncio.run(merge_due(book, Turns("merges"), NOW))
    assert 1 <= len(book.runs()) <= 11  # the logarithm of 2,000
    assert sorted(chain(*held(book))) == list(range(FIRST, FIRST + 2_000))
    assert {name.rpartition("_")[0] for name in threads} == {"merges"}


def test_loop_touches_no_more_than_what_was_handed_out_lately(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many there are: runs are built on it of the dictionary alone, and read by halving."""
    book = HandOutBook(most=10**6)
    rows = np.zeros(500_000, HAND_OUT)
    rows["number"] = FIRST + 2 * np.arange(500_000)
    rows["assigned_at"] = NOW
    book.load([run_of([rows])])
    built = []
    build = hand_out_book.run_of
    monkeypatch.setattr(
        hand_out_book, "run_of", lambda rows: built.append(build(rows)) or built[-1]
    )
    for first in range(0, 50_000, 1_000):
        add(book, *range(FIRST + first, FIRST + first + 1_000))
        assert book.due(NOW) is None or book.due(NOW).runs
    book.runs()
    assert max(run.rows for run in built) < hand_out_book.RECENT_MAX + 1_000
    assert sum(run.rows for run in built) == 50_000
