"""Seconds to sweep the table as the scanner does, and what checks and the event loop feel of it.

    python benchmarks/scan.py --numbers 10000000

One thread sweeps a table whose numbers had `--events` each on average, under a policy of three
rules: alone (the engine's steps), and as the scanner does it, whole, beside an event loop. A sweep
of one pool that has no number there shows what reading costs without evaluating. Beside it, in
the same run: numpy summing and copying an array as large as the records, one thread.

Then checks of 100 numbers at random places, one after the other, in a process of its own: without
the scanner, while it sweeps without a break, and without it again. The longest delay of the event
loop is that of a callback that asks to be called every millisecond.

Not measured: workers that insert at the same time, gRPC, a table with many pools, K other than 12.
"""

import argparse
import asyncio
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt
from engine_processes import BATCH, KEY, Work, context, make_segment

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.memory.segment import Segment
from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.verdict.question_scan import QuestionScan
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.verdict.scan import TableScan
from ringfence.engine.verdict.sweep_sums import SweepSums
from ringfence.server.keeper.queue.candidate_queue import CandidateQueue, CleanNumbers
from ringfence.server.keeper.queue.scan_result import PoolSweep, Scan
from ringfence.server.keeper.queue.scanner import RECORDS_A_STEP, Scanner

CHECKED = 100  # numbers a check
QUEUE_TAKEN = 10_000


def best_s(times: int, act: Callable[[], object]) -> float:
    """Seconds that it takes, the best of so many times."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return min(found)


def plain_s(size_bytes: int) -> tuple[float, float]:
    """Seconds in which numpy sums so many bytes, and copies them."""
    source: npt.NDArray[np.uint64] = np.ones(size_bytes // 8, np.uint64)
    target = np.ones_like(source)
    return best_s(3, source.sum), best_s(3, lambda: np.copyto(target, source))


class Taking:
    """A listener that takes everything and notes when sweeps begin and end."""

    def __init__(self) -> None:
        self.scanner: Scanner
        self.began: list[float] = []
        self.took_s: list[float] = []
        self.scans: list[Scan] = []
        self.ended = asyncio.Event()

    def sweep_began(self) -> None:
        self.began.append(time.perf_counter())

    def verdicts_changed(self, changes: npt.NDArray[np.void], at: int) -> None:
        self.scanner.settle(changes)

    def sweep_ended(self, scan: Scan) -> Iterator[None]:
        self.took_s.append(time.perf_counter() - self.began[-1])
        self.scans = [scan]
        self.ended.set()
        yield

    def asked_sweep_began(self, questions: Sequence[Question]) -> None:
        pass

    def asked_sweep_ended(self, found: Mapping[Question, PoolSweep]) -> Iterator[None]:
        yield


def sweep(segment: Segment, work: Work, seen: npt.NDArray[np.uint8]) -> SweepSums:
    """One sweep by the engine alone."""
    scan, sums, at = TableScan(segment), SweepSums(), 0
    while at < segment.numbers:
        at = scan.step(at, now=work.now, records_max=RECORDS_A_STEP, sums=sums, seen=seen).end
    return sums


def sweep_pool(segment: Segment, work: Work, pool: int) -> None:
    """One sweep of a pool that is asked for, by the engine alone."""
    scan, at = QuestionScan(segment, [Question(pool)]), 0
    while at < segment.numbers:
        at = scan.step(at, now=work.now, records_max=RECORDS_A_STEP).end


def check_again_and_again(line: Connection, path: str, work: Work) -> None:
    """For each number of seconds that it is told: checks, and answers how long each took."""
    reader = VerdictReader(Segment.open(path))
    asked = work.asked(0, 1 << 20).reshape(-1)
    line.send("ready")
    while seconds := line.recv():
        took, at = [], 0
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            reader.check(asked[at : at + CHECKED], now=work.now)
            took.append(time.perf_counter() - began)
            at = (at + CHECKED) % (asked.size - CHECKED)
        line.send(np.array(took))


async def loop_delays(seconds: float) -> list[float]:
    """How much later than asked for a callback came, over and over."""
    late, end = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        await asyncio.sleep(0.001)
        late.append(time.perf_counter() - began - 0.001)
    return late


async def answered(line: Connection) -> npt.NDArray[np.float64]:
    """What the process answers, without a thread that would disturb."""
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(line.fileno(), ready.set)
    await ready.wait()
    loop.remove_reader(line.fileno())
    took: npt.NDArray[np.float64] = line.recv()
    return took


def percentiles(took: npt.NDArray[np.float64]) -> str:
    p50, p99, p999 = np.percentile(took * 1e6, [50, 99, 99.9])
    return f"p50 {p50:7.1f}  p99 {p99:7.1f}  p99.9 {p999:7.1f}  us, {took.size:,} checks"


async def beside_a_loop(
    options: argparse.Namespace, segment: Segment, work: Work, line: Connection
) -> None:
    """The scanner beside an event loop; checks with and without it."""

    async def checks(name: str) -> npt.NDArray[np.float64]:
        line.send(options.seconds)
        late = await loop_delays(options.seconds)
        took = await answered(line)
        delays = np.array(late) * 1e3
        print(
            f"{name:24} {percentiles(took)}; loop late p99 {np.percentile(delays, 99):.2f} ms, "
            f"longest {delays.max():.2f} ms",
            flush=True,
        )
        return took

    without = await checks("without the scanner")
    listener = Taking()
    listener.scanner = Scanner(segment, listener, now=lambda: work.now, period_s=0.0)
    listener.scanner.start()
    late = asyncio.create_task(loop_delays(options.seconds))
    for _ in range(2):
        listener.ended.clear()
        await listener.ended.wait()
    first_s, second_s = listener.took_s[:2]
    print(f"first sweep, all numbers new: {first_s:.3f} s; the next {second_s:.3f} s")
    print(f"loop late while they ran: longest {max(await late) * 1e3:.2f} ms")
    during = await checks("sweeping all the time")
    began = time.perf_counter()
    found = await listener.scanner.sweep(0)
    asked_s = time.perf_counter() - began
    print(f"sweep of the pool asked for, meanwhile: {asked_s:.3f} s, {found.clean.count:,} clean")
    await listener.scanner.stop()
    again = await checks("without it again")
    ratio = np.percentile(during, 99) / np.percentile(np.concatenate([without, again]), 99)
    print(f"p99 of checks while sweeping / without: {ratio:.2f}")
    whole = np.median(listener.took_s[1:])
    print(f"{len(listener.took_s)} sweeps beside the loop, median {whole:.3f} s")
    take(listener.scans[-1].clean_numbers(0))


def take(found: CleanNumbers) -> None:
    """What a reservation costs the queue."""
    queue = CandidateQueue()
    replaced_s = best_s(3, lambda: queue.replace(found, queue.mark()))
    began = time.perf_counter()
    clean_at, numbers = queue.oldest(QUEUE_TAKEN)
    queue.discard(numbers)
    taken_s = time.perf_counter() - began
    began = time.perf_counter()
    queue.put(clean_at, numbers)
    put_s = time.perf_counter() - began
    print(
        f"queue: replaced {replaced_s * 1e3:.2f} ms; {numbers.size:,} taken "
        f"{taken_s * 1e3:.2f} ms, put back {put_s * 1e3:.2f} ms"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--numbers", type=int, default=200_000)
    parser.add_argument("--events", type=float, default=1.6, help="events a number")
    parser.add_argument("--seconds", type=float, default=5.0, help="checks run so long, each time")
    parser.add_argument("--smoke", action="store_true", help="so small that figures mean nothing")
    options = parser.parse_args()
    if options.smoke:
        options.numbers, options.seconds = 1000, 0.1

    print(f"command   {shlex.join(['python', *sys.argv])}")
    print(f"machine   {os.cpu_count()} cores, {platform.platform()}")
    print(f"python    {platform.python_version()}, numpy {np.__version__}")
    work = Work(options.numbers, int(options.numbers * options.events), seed=1)
    path, segment = make_segment(work, "/dev/shm")
    try:
        measure(options, work, path, segment)
    finally:
        path.unlink()


def measure(options: argparse.Namespace, work: Work, path: Path, segment: Segment) -> None:
    inserter = EventInserter(segment, caller_key=KEY)
    for at in range(0, work.events_total, BATCH):
        inserter.insert(*work.events(at, min(at + BATCH, work.events_total)), now=work.now)
    size_bytes = segment.numbers * segment.record_bytes
    print(f"\n{segment.numbers:,} numbers, {size_bytes / 1e9:.3f} GB of records")
    seen = np.zeros(segment.capacity_numbers, np.uint8)
    summed_s, copied_s = plain_s(size_bytes)
    swept_s = best_s(3, lambda: sweep(segment, work, seen))
    read_s = best_s(3, lambda: sweep_pool(segment, work, 1))
    print(f"{'':28} {'seconds':>8} {'GB/s':>7} {'of a sum':>9} {'of a copy':>10}")
    for name, seconds in (
        ("numpy sums", summed_s),
        ("numpy copies", copied_s),
        ("sweep, all evaluated", swept_s),
        ("sweep, none of the pool", read_s),
    ):
        print(
            f"{name:28} {seconds:>8.3f} {size_bytes / 1e9 / seconds:>7.2f} "
            f"{summed_s / seconds:>9.0%} {copied_s / seconds:>10.0%}",
            flush=True,
        )
    print(f"{swept_s / segment.numbers * 1e9:.0f} ns a number")
    ours, theirs = context.Pipe()
    process = context.Process(target=check_again_and_again, args=(theirs, str(path), work))
    process.start()
    theirs.close()
    assert ours.recv() == "ready"
    try:
        asyncio.run(beside_a_loop(options, segment, work, ours))
    finally:
        ours.send(0)
        process.join()


if __name__ == "__main__":
    main()
