"""Numbers that were handed out are remembered for complaints: for a while, and not too many."""

import numpy as np
import pytest

from ringfence.server.state import hand_out_book
from ringfence.server.state.hand_out_book import HAND_OUT, KEPT_S, HandOutBook

NOW = 1_750_000_000
FIRST = 447700900000


def add(book, *numbers, at=NOW, pool=1, policy=2):
    book.add(np.array(numbers, np.uint64), at=at, pool=pool, policy=policy)


def test_last_hand_out_of_a_number_counts():
    book = HandOutBook(most=10)
    add(book, FIRST, FIRST + 1)
    add(book, FIRST, at=NOW + 9, pool=3, policy=4)
    assert book.find(FIRST, NOW + 9) == (NOW + 9, 3, 4)
    assert book.find(FIRST + 1, NOW + 9) == (NOW, 1, 2)
    assert book.find(FIRST + 2, NOW + 9) is None


def test_hand_out_is_forgotten_after_400_days():
    book = HandOutBook(most=10)
    add(book, FIRST)
    for _ in range(2):
        assert book.find(FIRST, NOW + KEPT_S - 1) == (NOW, 1, 2)
        assert book.find(FIRST, NOW + KEPT_S) is None
        book.rows(NOW)  # the second time it lies in the array
    assert len(book.rows(NOW + KEPT_S)) == 0


def test_rows_are_by_number_each_once_with_its_newest():
    book = HandOutBook(most=10)
    add(book, FIRST + 2, FIRST)
    book.rows(NOW)
    add(book, FIRST + 2, FIRST + 1, at=NOW + 5)
    rows = book.rows(NOW + 5)
    assert rows["number"].tolist() == [FIRST, FIRST + 1, FIRST + 2]
    assert rows["assigned_at"].tolist() == [NOW, NOW + 5, NOW + 5]
    assert len(book) == 3


def test_oldest_hand_outs_go_when_there_are_too_many():
    book = HandOutBook(most=3)
    for step in range(6):
        add(book, FIRST + step, at=NOW + step)
    assert book.rows(NOW + 6)["number"].tolist() == [FIRST + 3, FIRST + 4, FIRST + 5]
    assert book.find(FIRST, NOW + 6) is None
    add(book, FIRST, at=NOW + 7)
    assert book.find(FIRST, NOW + 7) == (NOW + 7, 1, 2)


def test_what_lies_in_the_dictionary_is_bounded(monkeypatch):
    monkeypatch.setattr(hand_out_book, "RECENT_MAX", 8)
    book = HandOutBook(most=20)
    for step in range(40):
        add(book, FIRST + step, at=NOW + step)
        assert len(book) <= 20 + 8
    for step in range(40):
        known = book.find(FIRST + step, NOW + 40)
        assert known is None if step < 40 - 28 else known in ((NOW + step, 1, 2), None)
    assert book.rows(NOW + 40)["number"].tolist() == list(range(FIRST + 20, FIRST + 40))


def test_rows_of_a_snapshot_are_taken_over():
    book, other = HandOutBook(most=10), HandOutBook(most=10)
    add(book, FIRST, FIRST + 1)
    add(other, FIRST + 5)
    other.load(np.frombuffer(book.rows(NOW).tobytes(), HAND_OUT))
    add(other, FIRST + 2, at=NOW + 1)
    assert other.rows(NOW + 1)["number"].tolist() == [FIRST, FIRST + 1, FIRST + 2]


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_a_dictionary_is(seed):
    print(f"seed={seed}")
    random = np.random.default_rng(seed)
    book, twin, now = HandOutBook(most=10**6), {}, NOW
    for _ in range(60):
        now += int(random.integers(0, KEPT_S // 20))
        numbers = FIRST + random.integers(0, 30, random.integers(0, 6))
        pool = int(random.integers(9))
        add(book, *numbers.tolist(), at=now, pool=pool, policy=1)
        twin.update(dict.fromkeys(numbers.tolist(), (now, pool, 1)))
        if random.integers(5) == 0:
            book.rows(now)
        for number in range(FIRST, FIRST + 30):
            known = twin.get(number)
            fresh = known is not None and known[0] > now - KEPT_S
            assert book.find(number, now) == (known if fresh else None)
