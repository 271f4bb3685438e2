"""Seconds to write, check and load a snapshot, beside a plain write and read of as many bytes.

    python benchmarks/snapshot.py --folder /var/tmp

The write is compared with writing the same bytes from memory in pieces of 4 MiB and one fsync (what
dd conv=fsync does), the check and the load with reading the file in such pieces into one buffer,
in one thread. The file is in the page cache when it is read, as it is after a kill -9. Each
figure is the best of `--times`; the loaded table must have the digest of the one that was written
(up to a million numbers), and give the same verdicts.

Not measured: a cold file (the disk's own speed after a power cut); writing while workers insert
and journals sync; the making of the segment, which is printed beside; the replay of journals; FREE
numbers that are dropped.
"""

import argparse
import gc
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
from engine_processes import BATCH, KEY, POLICY, Work, make_segment

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Pool
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.snapshot import check_snapshot, load_snapshot, write_snapshot
from ringfence.engine.table.records import state_hash
from ringfence.engine.verdict.reader import VerdictReader

PIECE_BYTES = 1 << 22
DIGEST_NUMBERS_MAX = 1_000_000
ASKED = 100_000


def best(times: int, act: Callable[[], object]) -> float:
    """Seconds that it takes, the best of so many times."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return min(found)


def write_plainly(folder: Path, size_bytes: int) -> None:
    """Writes so many bytes as simply as it can be done, and removes them."""
    piece = np.random.default_rng(1).integers(0, 2**63, PIECE_BYTES // 8, np.uint64).tobytes()
    path = folder / "plain"
    with path.open("xb", buffering=0) as file:
        for at in range(0, size_bytes, PIECE_BYTES):
            file.write(piece[: size_bytes - at])
        os.fsync(file.fileno())
    path.unlink()


def read_plainly(path: Path) -> None:
    """Reads a file as simply as it can be done."""
    piece = bytearray(PIECE_BYTES)
    with path.open("rb", buffering=0) as file:
        while file.readinto(piece):
            pass


class Loads:
    """Loads one snapshot again and again, each time into a new segment."""

    def __init__(self, path: Path, numbers: int, threads: int) -> None:
        self.path, self.numbers, self.threads = path, numbers, threads
        self.create_s: list[float] = []
        self.load_s: list[float] = []

    def load(self) -> Segment:
        """One more, in memory that is given back when the segment is closed."""
        path = Path("/dev/shm") / f"ringfence-benchmark-{os.getpid()}"
        began = time.perf_counter()
        segment = Segment.create(path, capacity_numbers=self.numbers)
        path.unlink()
        self.create_s.append(time.perf_counter() - began)
        began = time.perf_counter()
        load_snapshot(self.path, segment, threads=self.threads)
        self.load_s.append(time.perf_counter() - began)
        return segment


def check_equal(work: Work, before: Segment, segment: Segment) -> None:
    """Ends the program unless a loaded segment answers as the table that was written."""
    publish_settings(segment, [POLICY], [Pool("benchmark", "benchmark")])
    asked = work.asked(0, ASKED)
    verdicts, clean_at = VerdictReader(segment).check(asked, now=work.now)
    verdicts_before, clean_at_before = VerdictReader(before).check(asked, now=work.now)
    equal = np.array_equal(verdicts, verdicts_before) and np.array_equal(clean_at, clean_at_before)
    if work.numbers <= DIGEST_NUMBERS_MAX:
        equal = equal and state_hash(segment) == state_hash(before)
    if not equal:
        sys.exit("the loaded table is another one")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--numbers", type=int, default=10_000_000)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where the files are written")
    parser.add_argument("--smoke", action="store_true", help="so small that figures mean nothing")
    options = parser.parse_args()
    if options.smoke:
        options.numbers, options.events, options.threads, options.times = 1000, 20_000, [1, 2], 1

    print(f"command   {shlex.join(['python', *sys.argv])}")
    print(f"machine   {os.cpu_count()} cores, {platform.platform()}")
    print(f"python    {platform.python_version()}, numpy {np.__version__}")
    work = Work(options.numbers, options.events, seed=1)
    segment_path, segment = make_segment(work, "/dev/shm")
    segment_path.unlink()
    inserter = EventInserter(segment, caller_key=KEY)
    for at in range(0, options.events, BATCH):
        inserter.insert(*work.events(at, min(at + BATCH, options.events)), now=work.now)
    with tempfile.TemporaryDirectory(prefix="ringfence-benchmark-", dir=options.folder) as name:
        measure(options, work, segment, Path(name))


def measure(options: argparse.Namespace, work: Work, taken: Segment, folder: Path) -> None:
    """One table: writes, checks, and loads with each number of threads."""
    numbers = count(1)
    written: list[Path] = []

    def write() -> None:
        for path in written:
            path.unlink(missing_ok=True)
        written.append(
            write_snapshot(
                taken,
                folder,
                number=next(numbers),
                positions={"worker-0": 1},
                keeper_position=1,
                keeper_state=[],
                taken_at=work.now,
            )
        )

    write_s = best(options.times, write)
    path = written[-1]
    size_bytes = path.stat().st_size
    plain_write_s = best(options.times, lambda: write_plainly(folder, size_bytes))
    plain_read_s = best(options.times, lambda: read_plainly(path))
    check_s = best(options.times, lambda: check_snapshot(path))
    print(f"\n{options.numbers:,} numbers, {size_bytes / 1e9:.3f} GB")
    print(f"{'':22} {'seconds':>9} {'GB/s':>8} {'speed to plain':>15}")

    def row(name: str, seconds: float, plain_s: float) -> None:
        speed = size_bytes / 1e9 / seconds
        print(f"{name:22} {seconds:>9.3f} {speed:>8.2f} {plain_s / seconds:>14.2f}x", flush=True)

    row("plain write, fsync", plain_write_s, plain_write_s)
    row("write", write_s, plain_write_s)
    row("plain read", plain_read_s, plain_read_s)
    row("check", check_s, plain_read_s)
    for threads in options.threads:
        loads = Loads(path, options.numbers, threads)
        for _ in range(options.times):
            segment = loads.load()
            check_equal(work, taken, segment)
            gc.collect()
            segment.close()
        row(f"load, {threads} threads", min(loads.load_s), plain_read_s)
    print(f"making the segment took {min(loads.create_s):.3f} s")


if __name__ == "__main__":
    main()
