"""What became of a history under one candidate: the figures, with the counts behind them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ringfence.engine.settings.policy import DAY_S
from ringfence.engine.words import DisconnectReason
from ringfence.simulation.candidate import Calendar, Candidate
from ringfence.simulation.history import (
    APPLICATION,
    COLLECTOR,
    PERSONAL,
    History,
)
from ringfence.simulation.ledger import AFTER_RELEASE_S, NEVER, Ledger

MONTH_S = 30 * DAY_S

Chosen = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    count: int
    of: int

    @property
    def share(self) -> float | None:
        """0 to 1; None of nothing."""
        return self.count / self.of if self.of else None


@dataclass(frozen=True)
class Yardstick:
    """Numbers that were never assigned: whatever comes to them is background."""

    numbers: int
    events: int
    """That came to them while the history lasted, in quarantine or not, without copies."""
    number_days: float
    """Days of all of them in the history."""
    by_minimum_age: Share
    noisy_at_minimum_age: Share | None
    """None for a calendar, which does not look."""

    @property
    def events_per_number_day(self) -> float | None:
        """How strong the background is."""
        return self.events / self.number_days if self.number_days else None


@dataclass(frozen=True)
class Outcome:
    """The figures of one candidate; README.md defines them."""

    candidate: Candidate | Calendar
    numbers: int
    released: int
    released_per_month: tuple[int, ...]
    """By 30-day months since the history begins; the last one may be shorter."""
    median_days: float | None
    """In quarantine, of all numbers; those still in it count as longer. None = half of them are."""
    personal: Share
    application: Share
    collector: Share | None
    residual: Share
    background_by_minimum_age: Share | None
    never_assigned: Yardstick


class Background:
    """What comes to numbers that were never assigned, counted once for all candidates."""

    def __init__(self, history: History) -> None:
        self.never = history.numbers.reason == DisconnectReason.NEVER_ASSIGNED
        lasted_s = history.ends_at - history.numbers.quarantined_at[self.never].astype(np.int64)
        self.number_days = float(lasted_s.sum() / DAY_S)
        self.events = 0

    def look(self, place: npt.NDArray[np.int64]) -> None:
        """Takes in the places of the numbers called in a day."""
        self.events += int(np.count_nonzero(self.never[place]))


def outcome_of(
    history: History, candidate: Candidate | Calendar, ledger: Ledger, background: Background
) -> Outcome:
    """The figures of a candidate whose ledger is complete."""
    quarantined_at = history.numbers.quarantined_at.astype(np.int64)
    released_at = ledger.released_at.astype(np.int64)
    released = ledger.released_at != NEVER
    observed = released & (released_at + AFTER_RELEASE_S <= history.ends_at)
    due_at = quarantined_at + candidate.minimum_age_s
    due_at = np.maximum(due_at, history.begins_at + DAY_S)  # nobody asks before the first day ends
    due = due_at <= last_check(history)
    in_time = released & (released_at - due_at < DAY_S)  # at the first check that could be
    alone = history.numbers.background_only
    never = background.never

    def came(bits: int) -> Share:
        return _share((ledger.came & bits) != 0, observed)

    return Outcome(
        candidate=candidate,
        numbers=released.size,
        released=int(np.count_nonzero(released)),
        released_per_month=_by_month(history, released_at[released]),
        median_days=_median_days(released_at - quarantined_at, released),
        personal=came(PERSONAL),
        application=came(APPLICATION),
        collector=came(COLLECTOR) if history.knows_classes else None,
        residual=came(PERSONAL | APPLICATION | COLLECTOR),
        background_by_minimum_age=None if alone is None else _share(in_time, due & alone),
        never_assigned=Yardstick(
            numbers=int(np.count_nonzero(never)),
            events=background.events,
            number_days=background.number_days,
            by_minimum_age=_share(in_time, due & never),
            noisy_at_minimum_age=(
                _share(ledger.noisy_when_due, due & never)
                if isinstance(candidate, Candidate)
                else None
            ),
        ),
    )


def last_check(history: History) -> int:
    """When numbers were looked at for the last time: at the end of the last whole day."""
    return history.ends_at - (history.ends_at - history.begins_at) % DAY_S


def _share(chosen: Chosen, among: Chosen) -> Share:
    return Share(int(np.count_nonzero(chosen & among)), int(np.count_nonzero(among)))


def _by_month(history: History, released_at: npt.NDArray[np.int64]) -> tuple[int, ...]:
    months = -(-(history.ends_at - history.begins_at) // MONTH_S)
    # A check at the end of a month's last day still belongs to that month.
    month = (released_at - 1 - history.begins_at) // MONTH_S
    return tuple(np.bincount(month, minlength=months).tolist())


def _median_days(lasted_s: npt.NDArray[np.int64], released: Chosen) -> float | None:
    if not released.size:
        return None
    median = float(np.median(np.where(released, lasted_s / DAY_S, np.inf)))
    return median if np.isfinite(median) else None
