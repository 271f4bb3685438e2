"""Those who do not notice that the subscriber has left: applications, institutions, collectors."""

import math

import numpy as np
import numpy.typing as npt

from ringfence.engine.words import EventKind
from ringfence.simulation.traffic.clock import OFFICE, PRIVATE
from ringfence.simulation.traffic.events import (
    CALLER_RANGES,
    DAY_S,
    START,
    WEEK_S,
    Attempts,
    Callers,
    Floats,
    Places,
    Records,
    TrueClass,
    make_attempts,
    text_caller,
)
from ringfence.simulation.traffic.parameters import Debts, Schedules

Chosen = npt.NDArray[np.int64]


class ScheduleSource:
    """Applications (weekly, every four weeks, or codes at random) and institutions that call."""

    def __init__(self, random: np.random.Generator, numbers: Records, schedules: Schedules) -> None:
        self._random, self._schedules = random, schedules
        places = np.arange(numbers.size)
        applications = np.repeat(places, numbers["applications"])
        institutions = np.repeat(places, numbers["institutions"])
        self._place: Places = np.concatenate((applications, institutions))
        count = self._place.size
        self._calls = np.arange(count) >= applications.size
        self._caller: Callers = np.concatenate(
            (self._senders(applications.size), self._institutions(institutions.size))
        )
        drawn = random.random(count)
        self._codes = (drawn < schedules.code_share) & ~self._calls
        weekly = (drawn >= 1 - schedules.weekly_share) & ~self._calls
        self._period_s: Floats = np.where(weekly, WEEK_S, 4 * WEEK_S).astype(np.float64)
        self._period_s[self._codes] = schedules.code_gap_days * DAY_S
        entered = PRIVATE.busy(numbers["quarantined_at"][self._place].astype(np.float64) - START)
        median = math.log(schedules.pruned_median_days)
        lasts = random.lognormal(median, schedules.pruned_sigma, count)
        self._pruned: Floats = entered + lasts * DAY_S
        self._next: Floats = entered + self._period_s * np.where(
            self._codes, random.standard_exponential(count), random.random(count)
        )
        self._next[self._next >= self._pruned] = np.inf

    def _senders(self, count: int) -> Callers:
        texts = [text_caller(f"sender {turn}") for turn in range(self._schedules.senders)]
        weights = 1 / np.arange(1, len(texts) + 1)
        chosen = self._random.choice(len(texts), count, p=weights / weights.sum())
        return np.array(texts, np.uint64)[chosen]

    def _institutions(self, count: int) -> Callers:
        first, _ = CALLER_RANGES[TrueClass.INSTITUTION]
        return self._random.integers(first, first + self._schedules.institutions, count, np.uint64)

    def until(self, end_s: float) -> Attempts:
        """All messages and calls that begin from the last end on and before this one."""
        end = PRIVATE.busy_at(end_s)
        due = np.flatnonzero(self._next < end)
        who, busy = [due], [self._next[due]]
        while due.size:
            self._next[due] += self._period_s[due] * self._gaps(due)
            self._next[due[self._next[due] >= self._pruned[due]]] = np.inf
            due = due[self._next[due] < end]
            who.append(due)
            busy.append(self._next[due])
        return self._messages(np.concatenate(who), PRIVATE.clock(np.concatenate(busy)))

    def _gaps(self, who: Chosen) -> Floats:
        jitter = self._schedules.jitter
        regular = self._random.uniform(1 - jitter, 1 + jitter, who.size)
        return np.where(self._codes[who], self._random.standard_exponential(who.size), regular)

    def _messages(self, who: Chosen, at_s: Floats) -> Attempts:
        """One each, or a burst of codes."""
        schedules = self._schedules
        burst = self._random.integers(schedules.codes_min, schedules.codes_max + 1, who.size)
        times = np.where(self._codes[who], burst, 1)
        which, at_s = np.repeat(who, times), np.repeat(at_s, times)
        codes = self._codes[which]
        at_s[codes] += self._random.random(np.count_nonzero(codes)) * schedules.codes_within_s
        calls = self._calls[which]
        return make_attempts(
            self._place[which],
            self._caller[which],
            at_s,
            kind=np.where(calls, EventKind.CALL, EventKind.A2P_SMS),
            true_class=np.where(calls, TrueClass.INSTITUTION, TrueClass.APPLICATION),
        )


class DebtSource:
    """Debts: each is worked by an agency at a rate of its own, given up, sold, worked again.

    Calls of a debt keep a seventh of a busy week between them. A busy week is a week on the clock,
    so no 7 days see more than 7 calls of one agency about one debt.
    """

    def __init__(self, random: np.random.Generator, numbers: Records, debts: Debts) -> None:
        self._random, self._debts = random, debts
        self._place: Places = np.repeat(np.arange(numbers.size), numbers["debts"])
        count = self._place.size
        self._callers = random.integers(debts.callers_min, debts.callers_max + 1, debts.agencies)
        self._agency = np.empty(count, np.int64)
        self._gap_s, self._given_up = np.empty(count), np.empty(count)
        self._next: Floats = np.empty(count)
        entered = numbers["quarantined_at"][self._place].astype(np.float64) - START
        self._take_on(np.arange(count), OFFICE.busy(entered))

    def until(self, end_s: float) -> Attempts:
        """All calls from the last end on and before this one."""
        end = OFFICE.busy_at(end_s)
        due = np.flatnonzero(self._next < end)
        who, busy, callers = [], [], []
        while due.size:
            who.append(due)
            busy.append(self._next[due])
            callers.append(self._shown(self._agency[due]))
            least_s = WEEK_S / self._debts.calls_per_week_max
            more_s = (self._gap_s[due] - least_s) * self._random.standard_exponential(due.size)
            self._next[due] += least_s + more_s
            self._sell(due[self._next[due] >= self._given_up[due]])
            due = due[self._next[due] < end]
        if not who:
            who, busy, callers = [due], [np.empty(0)], [np.empty(0, np.uint64)]
        return make_attempts(
            self._place[np.concatenate(who)],
            np.concatenate(callers),
            OFFICE.clock(np.concatenate(busy)),
            kind=EventKind.CALL,
            true_class=TrueClass.COLLECTOR,
        )

    def _take_on(self, which: Chosen, begin: Floats) -> None:
        """An agency begins to work debts."""
        random, debts = self._random, self._debts
        self._agency[which] = random.integers(0, debts.agencies, which.size)
        per_week = random.uniform(1.0, debts.calls_per_week_max, which.size)
        self._gap_s[which] = WEEK_S / per_week
        worked = random.lognormal(
            math.log(debts.worked_median_days), debts.worked_sigma, which.size
        )
        self._given_up[which] = begin + worked * DAY_S
        self._next[which] = begin + self._gap_s[which] * random.random(which.size)

    def _sell(self, which: Chosen) -> None:
        """Debts that were given up: some come back with another agency, at full rate."""
        resold = self._random.random(which.size) < self._debts.resold_share
        self._next[which[~resold]] = np.inf
        sold = which[resold]
        dormant_s = self._debts.dormant_days * DAY_S * self._random.standard_exponential(sold.size)
        self._take_on(sold, self._given_up[sold] + dormant_s)

    def _shown(self, agency: Chosen) -> Callers:
        """One of the agency's callers, in no order."""
        first, _ = CALLER_RANGES[TrueClass.COLLECTOR]
        turn = (self._random.random(agency.size) * self._callers[agency]).astype(np.int64)
        return (first + agency * self._debts.callers_max + turn).astype(np.uint64)
