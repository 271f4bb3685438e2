"""Months of traffic to a pool of quarantined numbers, drawn from published figures.

A `Workload` says which numbers came into quarantine, when and why, and yields every event that
arrives, one chunk a day, in the order of arrival: called, caller, time, kind, arrival, and the true
class, which only an evaluation may look at. The same seed gives the same events. Parameters,
their units and their sources are in parameters.py.

What it leaves out: numbers that change hands again, campaigns that grow with the pool, unwanted
messages (the sources of the climates count calls), a caller that shows the called number as its
own, retries of a message by its centre, holidays, time zones (all is UTC). The climate's rate
counts campaigns; storms and stuck machines come on top.
"""

from collections.abc import Iterator

import numpy as np

from ringfence.simulation.traffic.delivery import Arrivals, Switches
from ringfence.simulation.traffic.events import (
    CALLER_RANGES,
    DAY_S,
    NUMBERS_MAX,
    START,
    Attempts,
    Records,
    TrueClass,
)
from ringfence.simulation.traffic.numbers import make_numbers
from ringfence.simulation.traffic.parameters import Traffic
from ringfence.simulation.traffic.personal import PersonalSource
from ringfence.simulation.traffic.recurring import DebtSource, ScheduleSource
from ringfence.simulation.traffic.spray import CampaignSource, StormSource, StuckSource

Source = CampaignSource | StormSource | StuckSource | PersonalSource | ScheduleSource | DebtSource


class Workload:
    """Numbers and all their traffic over some days, from one seed."""

    def __init__(self, traffic: Traffic, *, numbers: int, days: int, seed: int) -> None:
        """`numbers` 1 to 100,000,000 of them; the traffic begins at START.

        Raises ValueError for a size out of bounds, also when there are not callers enough for it.
        """
        if not 1 <= numbers <= NUMBERS_MAX:
            raise ValueError(f"numbers: value={numbers}, bound=1 to {NUMBERS_MAX}")
        if days < 1:
            raise ValueError(f"days: value={days}, bound=1 or more")
        self.traffic, self.days, self._seed = traffic, days, seed
        self.numbers: Records = make_numbers(self._random(0), traffic.departures, numbers, days)
        """dtype NUMBER, in the order of the numbers; the first is FIRST_NUMBER."""
        callers = int(self.numbers["personal"].sum(dtype=np.int64))
        first, end = CALLER_RANGES[TrueClass.PERSONAL]
        if callers > end - first:
            raise ValueError(
                f"numbers: value={numbers}, bound=about {numbers * (end - first) // callers}:"
                f" personal callers={callers}, limit={end - first}"
            )

    def _random(self, part: int) -> np.random.Generator:
        """A generator for one part, so that a change in one leaves the others as they were."""
        return np.random.default_rng((self._seed, part))

    def _sources(self) -> list[Source]:
        traffic, numbers = self.traffic, self.numbers
        return [
            CampaignSource(self._random(1), numbers, traffic.climate, traffic.campaigns),
            StormSource(self._random(2), numbers, traffic.climate, traffic.storms),
            StuckSource(self._random(3), numbers, traffic.stuck),
            PersonalSource(self._random(4), numbers, traffic.personal),
            ScheduleSource(self._random(5), numbers, traffic.schedules),
            DebtSource(self._random(6), numbers, traffic.debts),
        ]

    def chunks(self) -> Iterator[Records]:
        """The events (dtype EVENT) that arrive on each day, by arrival, an array a day.

        The n-th array is day n since START, with or without events; a few days may follow the last
        one, with what arrives late. No event lies before its number's quarantined_at or after
        the last day. Every call begins anew and yields the same.
        """
        sources = self._sources()
        switches = Switches(self._random(7), self.traffic.delivery, self.days)
        arrivals = Arrivals()
        for day in range(self.days):
            for source in sources:
                attempts = self._within(source.until((day + 1) * DAY_S))
                arrivals.add(switches.deliver(attempts, self.numbers))
            yield arrivals.pop(day)
        for day in range(self.days, max(arrivals.days, default=0) + 1):
            yield arrivals.pop(day)

    def _within(self, attempts: Attempts) -> Attempts:
        """Those that lie in the quarantine of their number and in the days of the workload."""
        entered_s = (self.numbers["quarantined_at"] - np.uint32(START))[attempts.place]
        return attempts.take(
            np.flatnonzero((attempts.at_s >= entered_s) & (attempts.at_s < self.days * DAY_S))
        )
