"""Commits and bytes per second of the journal, beside a plain file that is synced as often.

    python benchmarks/journal.py

For each size of the value, so many appends wait at a time (`--ahead`), as so many clients do that
send the next value when the last is durable. The plain file does the same with the least that can
be done: everything that waits is written with one `write` and synced with one `fdatasync`; no
checksum, no positions, nothing that could be found again. Ratio = journal over plain file. Both
write random bytes into the same folder, in turn, `--repeat` times, and the best run of each
counts. `truncating` lets go of all but the newest values while it appends.

Not measured: replay, several journals at once, a disk that is also busy with something else. A
folder in memory (tmpfs) shows the cost of the code and none of the disk.
"""

import argparse
import os
import platform
import shlex
import shutil
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from ringfence.server.journal.journal import Done, JournalError
from ringfence.server.journal.lmdb_journal import open_journal

SIZES = (128, 4_096, 65_536, 1 << 20)
KINDS = ("plain file", "journal", "truncating")
KEEP = 256  # values, when truncating
BATCH_MAX = 1_024


class Log(Protocol):
    """What both have in common."""

    @property
    def commits_total(self) -> int:
        """How many commits there were."""

    def append(self, value: bytes, done: Done) -> None:
        """Makes a value durable, then calls `done`."""


class PlainFile:
    """A file and a thread: all that waits, one write, one fdatasync."""

    def __init__(self, path: Path) -> None:
        self.commits_total = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._pending: deque[tuple[bytes, Done]] = deque()
        self._closing = False
        self._work = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def append(self, value: bytes, done: Done) -> None:
        with self._work:
            self._pending.append((value, done))
            self._work.notify()

    def close(self) -> None:
        with self._work:
            self._closing = True
            self._work.notify()
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        position = 0
        while True:
            with self._work:
                self._work.wait_for(lambda: self._pending or self._closing)
                if not self._pending:
                    return
                batch = [self._pending.popleft() for _ in range(min(len(self._pending), BATCH_MAX))]
            left = memoryview(b"".join(value for value, _ in batch))
            while left:
                left = left[os.write(self._file, left) :]
            os.fdatasync(self._file)
            self.commits_total += 1
            for _, done in batch:
                position += 1
                done(position)


@dataclass
class Figures:
    """What one run came to."""

    values_per_s: float
    commits_per_s: float
    mb_per_s: float
    p99_ms: float


def run(
    log: Log, size: int, options: argparse.Namespace, truncate: Callable[[int], None]
) -> Figures:
    """Appends for a while, `--ahead` values at a time."""
    value = os.urandom(size)
    places = threading.Semaphore(options.ahead)
    latencies: list[float] = []
    failed: list[JournalError] = []

    def append() -> None:
        sent = time.perf_counter()

        def done(outcome: int | JournalError) -> None:
            if isinstance(outcome, JournalError):
                failed.append(outcome)
            latencies.append(time.perf_counter() - sent)
            places.release()

        log.append(value, done)

    before = log.commits_total
    begun = time.perf_counter()
    count = 0
    while time.perf_counter() < begun + options.seconds:
        places.acquire()
        append()
        count += 1
        if count % KEEP == 0:
            truncate(count - KEEP)
    for _ in range(options.ahead):
        places.acquire()
    elapsed = time.perf_counter() - begun
    if failed:
        raise failed[0]
    return Figures(
        count / elapsed,
        (log.commits_total - before) / elapsed,
        count * size / elapsed / 1e6,
        sorted(latencies)[int(len(latencies) * 0.99)] * 1e3,
    )


def measure(folder: Path, size: int, options: argparse.Namespace, kind: str) -> Figures:
    """One run, in files of its own."""
    place = Path(tempfile.mkdtemp(dir=folder))
    if kind == "plain file":
        file = PlainFile(place / "file")
        figures = run(file, size, options, lambda _: None)
        file.close()
    else:
        journal = open_journal(place / "0", identity=b"benchmark")
        truncate = journal.truncate if kind == "truncating" else lambda _: None
        figures = run(journal, size, options, truncate)
        journal.close()
    shutil.rmtree(place)
    return figures


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--ahead", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="run at a size that means nothing")
    options = parser.parse_args()
    if options.smoke:
        options.seconds, options.repeat, options.sizes = 0.05, 1, (128, 65_536)
    print(f"command: python {shlex.join(sys.argv)}")
    print(
        f"Python {platform.python_version()}, lmdb {version('lmdb')}, Linux {platform.release()},"
        f" {os.cpu_count()} cores, folder {options.folder}"
    )
    print(
        f"{'bytes':>9}  {'':<10} {'values/s':>9} {'commits/s':>9} {'MB/s':>7} {'p99 ms':>7} ratio"
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        for size in options.sizes:
            runs: dict[str, list[Figures]] = {kind: [] for kind in KINDS}
            for _ in range(options.repeat):
                for kind in KINDS:
                    runs[kind].append(measure(Path(place), size, options, kind))
            best = {
                kind: max(figures, key=lambda each: each.values_per_s)
                for kind, figures in runs.items()
            }
            for kind, figures in best.items():
                print(
                    f"{size:>9,}  {kind:<10} {figures.values_per_s:>9,.0f}"
                    f" {figures.commits_per_s:>9,.0f} {figures.mb_per_s:>7,.1f}"
                    f" {figures.p99_ms:>7.2f}"
                    f" {figures.values_per_s / best['plain file'].values_per_s:>5.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
