"""Inserts and checks per second of the engine alone, and the bytes that a number takes.

    python benchmarks/engine.py

For each size of the table and each number of processes a new segment is made and filled with
numbers; then all processes begin at once and share the same events out among them (random numbers
and callers, times over 90 days, one in four sent again), then the same checks, under a policy
of three rules. Work is fixed and not time, and order does not matter, so the checksum over all
verdicts must be equal for every number of processes.

For comparison, in the same run: the same join in plain Python (a dict of sorted lists, one
process; its rings are compared with the engine's), and what the memory allows (numpy copying
rows of 128 bytes from random places of an array as large as the table, one process).

Not measured: the wire (decoding, gRPC, see stream.py), journal and snapshot, a table that is being
changed by commands, other policies, other ring sizes than K = 12, huge pages. The disk is not
involved. With as many processes as cores, the parent and the machine's other work compete.
"""

import argparse
import os
import platform
import shlex
import sys
import time
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from engine_processes import KEY, Work, make_segment, run_processes

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.table.records import records

BUILTIN_EVENTS = 300_000
GATHER_ROWS = 1_000_000


@dataclass(frozen=True)
class Row:
    """What one size of the table and one number of processes gave."""

    numbers: int
    processes: int
    inserts_per_s: float
    checks_per_s: float
    checksum: int


def measure(work: Work, processes: int, folder: str) -> tuple[Row, float]:
    """One row, and the bytes that a number takes in the segment."""
    path, segment = make_segment(work, folder)
    try:
        inserted, checked = run_processes(path, work, processes)
        table_bytes = segment.size_bytes - segment.bytes_needed(1)
        row = Row(work.numbers, processes, inserted.rate, checked.rate, checked.checksum)
        return row, table_bytes / work.numbers
    finally:
        segment.close()
        path.unlink()


def plain_python_rate(work: Work, folder: str) -> float:
    """Inserts per second of a dict of sorted lists that holds the same rings."""
    called, caller, occurred_at, kind = work.events(0, min(work.events_total, BUILTIN_EVENTS))
    rows = list(
        zip(called.tolist(), caller.tolist(), occurred_at.tolist(), kind.tolist(), strict=True)
    )
    tracked: dict[int, list[tuple[int, int, int]]] = {
        number: [] for number in range(work.first_number, work.first_number + work.numbers)
    }
    began = time.perf_counter()
    for number, who, when, what in rows:
        ring = tracked[number]
        entry = (when, who, what)
        if entry not in ring:
            insort(ring, entry)
            if len(ring) > 12:
                del ring[0]
    elapsed = time.perf_counter() - began
    path, segment = make_segment(work, folder)
    EventInserter(segment, caller_key=KEY).insert(called, caller, occurred_at, kind, now=work.now)
    sizes = (records(segment)["entries"] != 0).sum(axis=1)
    # A mark has 24 bits: two callers in one second at one number could share it. Not these.
    assert sizes.tolist() == [len(ring) for ring in tracked.values()]
    path.unlink()
    return len(rows) / elapsed


def gather_rate(numbers: int) -> float:
    """Rows of 128 bytes per second that numpy copies from random places; the best of three."""
    rows = np.ones((numbers, 16), np.uint64)
    places = np.random.default_rng(1).integers(0, numbers, GATHER_ROWS)
    copied = np.ones((GATHER_ROWS, 16), np.uint64)  # its pages are there before the clock runs
    return GATHER_ROWS / min(
        seconds(lambda: np.take(rows, places, axis=0, out=copied, mode="clip")) for _ in range(3)
    )


def copy_gb_per_s() -> float:
    """How fast one process copies memory, in gigabytes read per second; the best of three."""
    source: npt.NDArray[np.uint64] = np.ones(2**25, np.uint64)
    target = np.ones_like(source)
    return source.nbytes / 1e9 / min(seconds(lambda: np.copyto(target, source)) for _ in range(3))


def seconds(act: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def processor() -> str:
    """The processor and how many cores of it there are."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def report(row: Row, plain: float, gathered: float) -> str:
    return (
        f"{row.numbers:>12,} {row.processes:>9} {row.inserts_per_s:>14,.0f} "
        f"{row.checks_per_s:>14,.0f} {row.inserts_per_s / plain:>9.1f} x "
        f"{row.inserts_per_s / gathered:>9.0%}   {row.checksum:016x}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--numbers", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--events", type=int, default=16_000_000, help="inserts and checks a row")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", default="/dev/shm", help="where the segment is made")
    parser.add_argument("--smoke", action="store_true", help="so small that figures mean nothing")
    options = parser.parse_args()
    if options.smoke:
        options.numbers, options.processes, options.events = [1000], [1, 2], 20_000

    print(f"command   {shlex.join(['python', *sys.argv])}")
    print(f"machine   {processor()}, {platform.platform()}")
    print(f"python    {platform.python_version()}, numpy {np.__version__}, seed {options.seed}")
    print(f"memory    one process copies {copy_gb_per_s():.1f} GB/s")
    for numbers in options.numbers:
        work = Work(numbers, options.events, options.seed)
        plain = plain_python_rate(
            Work(min(numbers, 10**6), options.events, options.seed), options.folder
        )
        gathered = gather_rate(numbers)
        rows = []
        print(f"\n{options.events / numbers:.1f} events a number, one in four of them sent again")
        print(f"plain Python {plain:,.0f} inserts/s; numpy gathers {gathered:,.0f} rows/s")
        print(
            f"{'numbers':>12} {'processes':>9} {'inserts/s':>14} {'checks/s':>14} "
            f"{'to Python':>11} {'to numpy':>9}   checksum"
        )
        for processes in options.processes:
            row, bytes_per_number = measure(work, processes, options.folder)
            rows.append(row)
            print(report(row, plain, gathered), flush=True)
        print(f"{bytes_per_number:.1f} bytes a number")
        if len({row.checksum for row in rows}) > 1:
            sys.exit("the checksums differ: the rows did not do the same work")


if __name__ == "__main__":
    main()
