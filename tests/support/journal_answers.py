"""What tests of the journal share: collected answers, values that prove themselves, patience."""

import hashlib
import threading
import time
from collections.abc import Callable

from ringfence.server.journal.journal import Journal, JournalError

PATIENCE_S = 30.0
IDENTITY = b"a test"  # of the journals of tests


class Answers:
    """Collects what `done` is told; `wait` gives it back in the order in which it came."""

    def __init__(self) -> None:
        self._told: list[int | JournalError] = []
        self._news = threading.Condition()

    def __call__(self, outcome: int | JournalError) -> None:
        with self._news:
            self._told.append(outcome)
            self._news.notify_all()

    def wait(self, count: int) -> list[int | JournalError]:
        """The answers, once there are so many of them."""
        with self._news:
            assert self._news.wait_for(lambda: len(self._told) >= count, PATIENCE_S)
            return list(self._told)


class Gate:
    """An answer that keeps the journal's thread waiting, so that what is appended piles up."""

    def __init__(self, journal: Journal) -> None:
        self._begun = threading.Event()
        self._opened = threading.Event()
        journal.append(b"first", self._hold)
        assert self._begun.wait(PATIENCE_S)

    def open(self) -> None:
        """Lets the journal go on."""
        self._opened.set()

    def _hold(self, outcome: int | JournalError) -> None:
        self._begun.set()
        assert self._opened.wait(PATIENCE_S)


def append(journal: Journal, *values: bytes) -> list[int | JournalError]:
    """Appends values and waits for their answers."""
    answers = Answers()
    for value in values:
        journal.append(value, answers)
    return answers.wait(len(values))


def until(condition: Callable[[], bool]) -> None:
    """Waits until something holds that another thread brings about."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def value_of(number: int) -> bytes:
    """A value of up to 12 kB that only this number has."""
    block = hashlib.blake2b(number.to_bytes(8, "big")).digest()
    return number.to_bytes(8, "big") + block * (number * 7919 % 190 if number % 3 else 1)
