"""What telling robots from people costs where events are inserted.

    python benchmarks/spray.py

The same events go into two tables, one with a caller table and one without, turn by turn in
batches, so that both see the same machine; the ratio is that of the two times. Two kinds of
callers: days of traffic of the generated workload (climate ncsu), and the worst case, where every
call comes from any of as many callers as the table has room for, so that each call is two cache
misses more. One process, K = 12 unless given. Not measured: the wire and the journal, beside which
it is less.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from engine_processes import BATCH, KEY, POLICY, START, Columns, Work, cut

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.memory.segment import RING_ENTRIES
from ringfence.engine.settings.new_segment import new_segment
from ringfence.engine.settings.policy import DAY_S, NO_SPRAY, Pool, Spray
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.table.writer import TableWriter
from ringfence.simulation.traffic.parameters import CLIMATES, Traffic
from ringfence.simulation.traffic.workload import Workload

WEEK_S = 7 * DAY_S  # so long that the workload has robots


def workload_batches(numbers: int, days: int, seed: int) -> Iterator[Columns]:
    """Traffic of the workload, moved to the numbers and the time of the table, by days."""
    workload = Workload(Traffic(CLIMATES["ncsu"]), numbers=numbers, days=days, seed=seed)
    for events in workload.chunks():
        columns = (events["called"], events["caller"], events["occurred_at"], events["kind"])
        called, caller, occurred_at, kind = map(np.ascontiguousarray, columns)
        yield called, caller, occurred_at, kind


def random_batches(work: Work) -> Iterator[Columns]:
    """Random callers at random numbers."""
    for begin in range(0, work.events_total, BATCH):
        yield cut(work.events(begin, min(begin + BATCH, work.events_total)), 0, BATCH)


def inserter_of(numbers: npt.NDArray[np.uint64], ring_entries: int, spray: Spray) -> EventInserter:
    """An inserter over a table of these numbers, all in quarantine since before any event."""
    segment = new_segment(
        None, capacity_numbers=numbers.size, ring_entries=ring_entries, spray=spray
    )
    writer = TableWriter(segment)
    publish_settings(segment, [POLICY], [Pool("benchmark", "benchmark")])
    began = np.ones(numbers.size, np.uint32)
    writer.quarantine(
        numbers,
        pool=0,
        quarantined_at=began,
        observed_since=began,
        reason=np.zeros(numbers.size, np.uint8),
        now=START,
    )
    return EventInserter(segment, caller_key=KEY)


def compare(
    batches: Iterator[Columns], without: EventInserter, beside: EventInserter
) -> tuple[int, float, float]:
    """Events, and the seconds that each took."""
    seconds, events = [0.0, 0.0], 0
    for turn, batch in enumerate(batches):
        events += batch[0].size
        for index, inserter in ((0, without), (1, beside))[:: 1 if turn % 2 else -1]:
            began = time.perf_counter()
            inserter.insert(*batch, now=2**32 - 1000)
            seconds[index] += time.perf_counter() - began
    return events, seconds[0], seconds[1]


def main() -> None:
    """Measures both kinds of callers and prints a line each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--numbers", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=8_000_000, help="with random callers")
    parser.add_argument("--days", type=int, default=60, help="of the workload")
    parser.add_argument("--ring-entries", type=int, choices=RING_ENTRIES, default=12)
    parser.add_argument("--callers", type=int, default=1 << 20, help="a power of two")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"command   python {shlex.join(sys.argv)}\n")
    print(f"{'callers':>10} {'events':>12} {'without':>14} {'with':>14} {'ratio':>6} {'robots':>8}")
    work = Work(asked.numbers, asked.events, asked.seed)
    workload = Workload(Traffic(CLIMATES["ncsu"]), numbers=asked.numbers, days=1, seed=asked.seed)
    everyone = np.arange(work.first_number, work.first_number + work.numbers, dtype=np.uint64)
    cases = {
        "workload": (
            np.ascontiguousarray(workload.numbers["number"]),
            workload_batches(asked.numbers, asked.days, asked.seed),
        ),
        "any": (everyone, random_batches(work)),
    }
    for name, (numbers, batches) in cases.items():
        without = inserter_of(numbers, asked.ring_entries, NO_SPRAY)
        beside = inserter_of(numbers, asked.ring_entries, Spray(8, WEEK_S, asked.callers))
        events, without_s, beside_s = compare(batches, without, beside)
        print(
            f"{name:>10} {events:>12,} {events / without_s:>12,.0f}/s {events / beside_s:>12,.0f}/s"
            f" {without_s / beside_s:>6.2f} {beside.segment.spray_callers:>8,}",
            flush=True,
        )


if __name__ == "__main__":
    main()
