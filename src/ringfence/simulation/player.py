"""One candidate on one history, a day at a time.

Each has a table of its own, so players can work side by side; insert and check do
without the GIL.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.events.spray import drop_silent
from ringfence.engine.settings.new_segment import new_segment
from ringfence.engine.settings.policy import Pool
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.table.header_rows import set_state
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import State, Verdict
from ringfence.simulation.candidate import Calendar, Candidate
from ringfence.simulation.history import Day, History
from ringfence.simulation.ledger import Ledger

CALLER_KEY = bytes(16)  # the same for all: marks, and so the figures, follow from the history alone

Places = npt.NDArray[np.int64]


class Player(Protocol):
    """What plays a candidate."""

    ledger: Ledger

    def play(self, day: Day) -> None:
        """Takes in a day and releases what is clean at its end."""


class _Turns:
    """Numbers in the order of a moment of theirs, handed out as the clock reaches it."""

    def __init__(self, moments: npt.NDArray[np.int64]) -> None:
        self._order = np.argsort(moments, kind="stable")
        self._moments = moments[self._order]
        self._done = 0

    def until(self, moment: int) -> Places:
        """Places whose moment has come since the last call, up to this one."""
        begin, self._done = self._done, int(np.searchsorted(self._moments, moment, "right"))
        return self._order[begin : self._done]


class CalendarPlayer:
    """Releases a number at the first check at which it is old enough."""

    def __init__(self, history: History, calendar: Calendar) -> None:
        self.ledger = Ledger(history.numbers)
        self._ends_at = history.ends_at
        quarantined_at = history.numbers.quarantined_at.astype(np.int64)
        self._due = _Turns(quarantined_at + calendar.age_s)

    def play(self, day: Day) -> None:
        """Takes in a day and releases what is old enough at its end."""
        self.ledger.look(day.truth)
        if day.ends_at <= self._ends_at:
            self.ledger.release(self._due.until(day.ends_at), day.ends_at)


class EnginePlayer:
    """Numbers enter, events are inserted, the clean ones leave: what a server does all day."""

    def __init__(self, history: History, candidate: Candidate) -> None:
        """Raises SettingError for a policy that its rings cannot decide."""
        candidate.check()
        self.ledger = Ledger(history.numbers)
        self._numbers = history.numbers
        self._ends_at = history.ends_at
        self.segment = new_segment(
            None,
            capacity_numbers=max(history.numbers.number.size, 1),
            ring_entries=candidate.ring_entries,
            spray=candidate.spray,
        )
        self._writer = TableWriter(self.segment)
        pool = Pool("simulated", candidate.policy.name)
        publish_settings(self.segment, [candidate.policy], [pool])
        self._inserter = EventInserter(self.segment, caller_key=CALLER_KEY)
        self._verdicts = VerdictReader(self.segment)
        quarantined_at = history.numbers.quarantined_at.astype(np.int64)
        self._entering = _Turns(quarantined_at)
        self._due = _Turns(quarantined_at + candidate.policy.minimum_age_s)
        self._waiting: Places = np.empty(0, np.int64)

    def play(self, day: Day) -> None:
        """Takes in a day and releases what is clean at its end."""
        self.ledger.look(day.truth)
        if day.ends_at > self._ends_at:  # what arrived late, when the last check was over
            return
        self._enter(day.ends_at)
        day.evidence.insert(self._inserter, now=day.ends_at)
        drop_silent(self.segment)
        self._check(day.ends_at)

    def _enter(self, now: int) -> None:
        """Numbers that came into quarantine until now, before the events of the day."""
        places = self._entering.until(now)
        numbers = self._numbers
        self._writer.quarantine(
            numbers.number[places],
            pool=0,
            quarantined_at=numbers.quarantined_at[places],
            observed_since=numbers.observed_since[places],
            reason=numbers.reason[places],
            now=now,
        )

    def _check(self, now: int) -> None:
        """Asks about all that are old enough and still there."""
        due = self._due.until(now)
        waiting = np.concatenate((self._waiting, due))
        verdicts, _ = self._verdicts.check(self._numbers.number[waiting], now=now)
        self.ledger.noisy_when_due[due] = verdicts[self._waiting.size :] == Verdict.NOISY
        clean = verdicts == Verdict.CLEAN
        self._release(waiting[clean], now)
        self._waiting = waiting[~clean]

    def _release(self, places: Places, now: int) -> None:
        """Clean numbers are handed out at once: from now on their events are nobody's business."""
        rows = self._writer.header_rows(self._numbers.number[places])
        set_state(rows, State.ASSIGNED, now)
        self._writer.apply(rows)
        self.ledger.release(places, now)
