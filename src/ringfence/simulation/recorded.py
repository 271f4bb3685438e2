"""A history that was recorded: events in columns, cut into days."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ringfence.engine.settings.policy import DAY_S
from ringfence.engine.words import EventKind
from ringfence.simulation.history import (
    APPLICATION,
    PERSONAL,
    Day,
    Evidence,
    HistoryError,
    Numbers,
    Truth,
)

WAS_BY_KIND = np.full(max(EventKind) + 1, PERSONAL, np.uint8)
"""What an event was as far as its kind says: an application writes, or somebody does something."""
WAS_BY_KIND[EventKind.A2P_SMS] = APPLICATION

Chosen = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Columns:
    """Events of the numbers of a history, in the order in which they arrived."""

    place: npt.NDArray[np.int64]
    occurred_at: npt.NDArray[np.uint32]
    arrived_at: npt.NDArray[np.uint32]
    was: npt.NDArray[np.uint8]
    once: npt.NDArray[np.bool_]
    """False for a copy of an earlier one."""


class RecordedHistory:
    """Numbers and columns, played from the day of the first quarantine to `ends_at`."""

    def __init__(
        self,
        numbers: Numbers,
        columns: Columns,
        evidence: Callable[[slice], Evidence],
        *,
        ends_at: int,
        knows_classes: bool,
        ring_entries_most: int | None = None,
        robots: int | None = None,
    ) -> None:
        """`evidence` gives a slice of the events as an engine takes them."""
        if not numbers.number.size:
            raise HistoryError("no number is in quarantine: there is nothing to play")
        self.numbers = numbers
        self.begins_at = int(numbers.quarantined_at.min()) // DAY_S * DAY_S
        self.ends_at = ends_at
        self.knows_classes = knows_classes
        self.ring_entries_most = ring_entries_most
        """K of the rings that events come from: larger ones would take for silence what these have
        displaced. None = no ring has displaced any."""
        self.robots = robots
        """How many callers are known for robots, whatever they do here; None = nobody is."""
        self._columns = columns
        self._evidence = evidence

    def days(self) -> Iterator[Day]:
        """The events by the day of their arrival."""
        columns = self._columns
        newest = int(columns.arrived_at[-1]) if columns.arrived_at.size else 0
        until = max(self.ends_at, newest + 1)
        begin = 0
        for ends_at in range(self.begins_at + DAY_S, until + DAY_S, DAY_S):
            end = int(np.searchsorted(columns.arrived_at, ends_at))
            once = begin + np.flatnonzero(columns.once[begin:end])
            truth = Truth(columns.place[once], columns.occurred_at[once], columns.was[once])
            yield Day(ends_at, self._evidence(slice(begin, end)), truth)
            begin = end


def first_copies(*fields: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Which rows are not equal, in all fields, to an earlier one."""
    order = np.lexsort(fields)  # of equal rows the earliest comes first
    differs = np.zeros(order.size, np.bool_)
    differs[:1] = True
    for field in fields:
        ordered = field[order]
        differs[1:] |= ordered[1:] != ordered[:-1]
    once = np.empty(order.size, np.bool_)
    once[order] = differs
    return once


def places_of(numbers: npt.NDArray[np.uint64], wanted: npt.NDArray[np.uint64]) -> Chosen:
    """Where each stands among ascending numbers; -1 = it does not."""
    if not numbers.size:
        return np.full(wanted.size, -1, np.int64)
    place = np.minimum(np.searchsorted(numbers, wanted), numbers.size - 1)
    return np.where(numbers[place] == wanted, place, -1)
