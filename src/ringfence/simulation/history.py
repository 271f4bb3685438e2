"""A history as it is played: numbers, and the events that arrived on each day.

What the engine is given (`Heard`, `Taken`) and what only the evaluation may see (`Truth`) are
apart. Times are unix seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ringfence.engine.events.inserter import EventInserter

PERSONAL, APPLICATION, COLLECTOR = 1, 2, 4
"""What an event was, as a bit: somebody looks for the previous subscriber; an application or an
institution writes or calls; a debt collector. 0 = background."""


class HistoryError(Exception):
    """There is no history to play here; the text says what is wrong, where, and the bound."""


@dataclass(frozen=True)
class Numbers:
    """The numbers of a history, ascending, each once; columns of one length."""

    number: npt.NDArray[np.uint64]
    quarantined_at: npt.NDArray[np.uint32]
    observed_since: npt.NDArray[np.uint32]
    reason: npt.NDArray[np.uint8]
    background_only: npt.NDArray[np.bool_] | None
    """Nobody looks for their previous subscribers; None = the history does not know."""


class Evidence(Protocol):
    """The events of a day as a table takes them."""

    def insert(self, inserter: EventInserter, *, now: int) -> None:
        """Inserts them in the order of their arrival."""


@dataclass(frozen=True)
class Heard:
    """Events with their callers."""

    called: npt.NDArray[np.uint64]
    caller: npt.NDArray[np.uint64]
    occurred_at: npt.NDArray[np.uint32]
    kind: npt.NDArray[np.int32]

    def insert(self, inserter: EventInserter, *, now: int) -> None:
        """Inserts them in the order of their arrival."""
        inserter.insert(self.called, self.caller, self.occurred_at, self.kind, now=now)


@dataclass(frozen=True)
class Taken:
    """Events as a journal has them: with caller marks, and the decision about spray of then."""

    taken: bytes

    def insert(self, inserter: EventInserter, *, now: int) -> None:
        """Repeats them."""
        inserter.repeat(self.taken)


@dataclass(frozen=True)
class Truth:
    """What the events of a day really were; copies are left out."""

    place: npt.NDArray[np.int64]
    """Of the number called, in `Numbers`."""
    occurred_at: npt.NDArray[np.uint32]
    was: npt.NDArray[np.uint8]
    """PERSONAL, APPLICATION, COLLECTOR or 0."""


@dataclass(frozen=True)
class Day:
    """What arrived before one moment, and after the one of the day before."""

    ends_at: int
    evidence: Evidence
    truth: Truth


class History(Protocol):
    """Numbers and events over whole days."""

    numbers: Numbers
    begins_at: int
    """When the first day begins; no number is in quarantine before."""
    ends_at: int
    """Whatever happened before is in the history."""
    knows_classes: bool
    """Whether `Truth.was` comes from true classes; else it comes from the kinds of events, and
    there is no COLLECTOR."""

    def days(self) -> Iterator[Day]:
        """One day after the other from `begins_at`, with or without events.

        Days that end after `ends_at` bring what arrived late. Every call begins anew.
        """
