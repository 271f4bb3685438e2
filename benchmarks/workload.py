"""Months of traffic to a pool of quarantined numbers, drawn from published figures.

    python benchmarks/workload.py --climate ncsu --numbers 100000 --days 365 --seed 1

A `Workload` says which numbers came into quarantine, when and why, and yields every event that
arrives, one chunk a day, in the order of arrival: called, caller, time, kind, arrival, and the true
class, which only an evaluation may look at. The same seed gives the same events. Parameters,
their units and their sources are in workload_parameters.py.

What it leaves out: numbers that change hands again, campaigns that grow with the pool, unwanted
messages (the sources of the climates count calls), a caller that shows the called number as its
own, retries of a message by its centre, holidays, time zones (all is UTC). The climate's rate
counts campaigns; storms and stuck machines come on top.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress
from workload_delivery import Arrivals, Switches
from workload_events import CALLER_RANGES, DAY_S, NUMBERS_MAX, START, Attempts, Records, TrueClass
from workload_numbers import background_only, make_numbers
from workload_parameters import CLIMATES, Traffic
from workload_personal import PersonalSource
from workload_recurring import DebtSource, ScheduleSource
from workload_spray import CampaignSource, StormSource, StuckSource

Source = CampaignSource | StormSource | StuckSource | PersonalSource | ScheduleSource | DebtSource


class Workload:
    """Numbers and all their traffic over some days, from one seed."""

    def __init__(self, traffic: Traffic, *, numbers: int, days: int, seed: int) -> None:
        """`numbers` 1 to 100,000,000 of them; the traffic begins at START."""
        if not 1 <= numbers <= NUMBERS_MAX:
            raise ValueError(f"numbers: value={numbers}, bound=1 to {NUMBERS_MAX}")
        if days < 1:
            raise ValueError(f"days: value={days}, bound=1 or more")
        self.traffic, self.days, self._seed = traffic, days, seed
        self.numbers: Records = make_numbers(self._random(0), traffic.departures, numbers, days)
        """dtype NUMBER, in the order of the numbers; the first is FIRST_NUMBER."""

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


class Made:
    """Counts what a workload made, class by class, in bounded memory."""

    def __init__(self, workload: Workload) -> None:
        self._first = workload.numbers["number"][0]
        self.events = np.zeros(len(TrueClass) + 1, np.int64)
        self.copies = 0
        self.late = 0
        self._reached = np.zeros((len(TrueClass) + 1, workload.numbers.size), np.bool_)
        ranges = CALLER_RANGES.values()
        self._callers_first = min(first for first, _ in ranges)
        # Zeroed memory that nobody touches takes none: a byte for a caller that was seen.
        self._seen = np.zeros(max(end for _, end in ranges) - self._callers_first, np.bool_)
        self._senders: npt.NDArray[np.uint64] = np.empty(0, np.uint64)

    def add(self, chunk: Records) -> None:
        """Counts a chunk."""
        true_class, caller = chunk["true_class"], chunk["caller"]
        self.events += np.bincount(true_class, minlength=self.events.size)
        self.copies += int(np.count_nonzero(chunk["copy"]))
        self.late += int(np.count_nonzero(chunk["arrived_at"] - chunk["occurred_at"] > 600))
        self._reached[true_class, chunk["called"] - self._first] = True
        text = caller >= np.uint64(1 << 63)
        numbers = caller[~text & (caller > 0)]
        self._seen[numbers - np.uint64(self._callers_first)] = True
        self._senders = np.union1d(self._senders, caller[text])

    def rows(self) -> Iterator[tuple[str, int, int, int]]:
        """Class, events, numbers reached, callers that were not withheld."""
        for each in TrueClass:
            if each is TrueClass.APPLICATION:
                callers = self._senders.size
            else:
                first, end = (edge - self._callers_first for edge in CALLER_RANGES[each])
                callers = int(np.count_nonzero(self._seen[first:end]))
            yield each.name, int(self.events[each]), int(self._reached[each].sum()), callers


def main() -> None:
    """Makes a workload and prints what was in it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--climate", choices=CLIMATES, default="ncsu")
    parser.add_argument("--numbers", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--entry-days", type=float, help="in which the numbers come")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    traffic = Traffic(CLIMATES[asked.climate])
    if asked.entry_days is not None:
        departures = replace(traffic.departures, entry_days=asked.entry_days)
        traffic = replace(traffic, departures=departures)

    began = time.perf_counter()
    workload = Workload(traffic, numbers=asked.numbers, days=asked.days, seed=asked.seed)
    made = Made(workload)
    counting_s = 0.0
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        for chunk in progress.track(workload.chunks(), total=asked.days, description="days"):
            chunk_at = time.perf_counter()
            made.add(chunk)
            counting_s += time.perf_counter() - chunk_at
    seconds = time.perf_counter() - began - counting_s

    events = int(made.events.sum())
    print(f"command: python {shlex.join(sys.argv)}\n")
    print("| class | events | numbers reached | callers |\n|---|---|---|---|")
    for row in made.rows():
        print("|", row[0], "|", " | ".join(f"{figure:,}" for figure in row[1:]), "|")
    print(
        f"\n{events:,} events, {made.copies:,} of them copies, {made.late:,} later than 10 minutes;"
        f"\n{asked.numbers:,} numbers, {int(background_only(workload.numbers).sum()):,} of them"
        f" with background only;\n{seconds:.1f} s, {events / seconds:,.0f} events/s"
    )


if __name__ == "__main__":
    main()
