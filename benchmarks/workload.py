"""What is in a workload: events, numbers reached and callers, class by class.

    python benchmarks/workload.py --climate ncsu --numbers 100000 --days 365 --seed 1

The generator itself is `ringfence.simulation.traffic`, which `ringfence simulate` plays
against policies.
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

from ringfence.simulation.traffic.events import CALLER_RANGES, Records, TrueClass
from ringfence.simulation.traffic.numbers import background_only
from ringfence.simulation.traffic.parameters import CLIMATES, Traffic
from ringfence.simulation.traffic.workload import Workload


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
