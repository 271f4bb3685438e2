"""People who look for the previous subscriber: bursts of attempts, fewer as time goes by.

A caller's bursts are a renewal process with Weibull gaps of mean 1, begun in equilibrium, in a time
that runs at the caller's own rate: first_rate x 2^(-age / half_life) a second of busy time. So the
mean number of bursts up to an age is exactly the integral of the rate, whatever the gaps.
"""

import math

import numpy as np
import numpy.typing as npt

from ringfence.engine.words import EventKind
from ringfence.simulation.traffic.clock import PRIVATE
from ringfence.simulation.traffic.events import (
    CALLER_RANGES,
    DAY_S,
    START,
    Attempts,
    Callers,
    Floats,
    Places,
    Records,
    TrueClass,
    join_attempts,
    make_attempts,
)
from ringfence.simulation.traffic.parameters import Personal


class PersonalSource:
    """Callers with the moment of their next burst; memory is some 60 bytes a caller."""

    def __init__(self, random: np.random.Generator, numbers: Records, personal: Personal) -> None:
        self._random, self._personal = random, personal
        self._place: Places = np.repeat(np.arange(numbers.size), numbers["personal"])
        count = self._place.size
        first, _ = CALLER_RANGES[TrueClass.PERSONAL]
        self._caller: Callers = np.arange(first, first + count, dtype=np.uint64)
        self._caller[random.random(count) < personal.withheld_share] = 0
        slow = random.random(count) < personal.slow_share
        half_life = np.where(slow, personal.slow_half_life_days, personal.half_life_days)
        self._decay_s: Floats = half_life * (DAY_S / math.log(2))
        rate = random.lognormal(math.log(personal.bursts_per_day), personal.bursts_sigma, count)
        self._bursts_ever: Floats = rate / DAY_S * self._decay_s
        entered = numbers["quarantined_at"].astype(np.float64) - START
        self._entered_busy: Floats = PRIVATE.busy(entered)
        self._spent = self._first_gaps(count)
        self._next_busy: Floats = np.empty(count)
        self._plan(np.arange(count))

    def until(self, end_s: float) -> Attempts:
        """All attempts of the bursts from the last end on and before this one."""
        end = PRIVATE.busy_at(end_s)
        due = np.flatnonzero(self._next_busy < end)
        who, busy = [due], [self._next_busy[due]]
        while due.size:
            self._spent[due] += self._gaps(due.size)
            self._plan(due)
            due = due[self._next_busy[due] < end]
            who.append(due)
            busy.append(self._next_busy[due])
        return self._bursts(np.concatenate(who), PRIVATE.clock(np.concatenate(busy)))

    def _gaps(self, count: int) -> Floats:
        shape = self._personal.gap_shape
        return self._random.weibull(shape, count) / math.gamma(1 + 1 / shape)

    def _first_gaps(self, count: int) -> Floats:
        """What is left of the gap in which one arrives: a part of a gap chosen by its length."""
        shape = self._personal.gap_shape
        length = self._random.standard_gamma(1 + 1 / shape, count) ** (1 / shape)
        return length / math.gamma(1 + 1 / shape) * self._random.random(count)

    def _plan(self, who: npt.NDArray[np.int64]) -> None:
        """The moment at which the rate has been spent so far, or never."""
        share = np.minimum(self._spent[who] / self._bursts_ever[who], 1.0)
        with np.errstate(divide="ignore"):  # a caller who gives up
            age_s = -self._decay_s[who] * np.log1p(-share)
        self._next_busy[who] = self._entered_busy[self._place[who]] + age_s

    def _bursts(self, who: npt.NDArray[np.int64], at_s: Floats) -> Attempts:
        """The bursts' attempts: each may be followed by another."""
        parts = [self._attempts(who, at_s)]
        for within_s in self._personal.redial_within_s:
            again = self._random.random(who.size) < self._personal.redial_share
            who, at_s = who[again], at_s[again]
            at_s = at_s + self._random.random(who.size) * within_s
            parts.append(self._attempts(who, at_s))
        return join_attempts(parts)

    def _attempts(self, who: npt.NDArray[np.int64], at_s: Floats) -> Attempts:
        personal = self._personal
        drawn = self._random.random(who.size)
        kind = np.full(who.size, EventKind.CALL, np.int32)
        kind[drawn < personal.sms_share + personal.mms_share + personal.video_share] = EventKind.SMS
        kind[drawn < personal.mms_share + personal.video_share] = EventKind.MMS
        kind[drawn < personal.video_share] = EventKind.VIDEO
        caller = self._caller[who]
        return make_attempts(
            self._place[who], caller, at_s, kind=kind, true_class=TrueClass.PERSONAL
        )
