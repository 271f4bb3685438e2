"""Seconds from kill -9 to the ready line, for each of the ways in which a server comes back.

    python benchmarks/restart.py --numbers 10000000 --events 100000000 --folder /var/tmp

A server is filled through gRPC: numbers into quarantine, then events, half of them before a
snapshot and half behind it. Then all its processes are killed at once and it is started again, with

- `living`: the shared segment as the dead processes left it;
- `fresh`: a snapshot of the last moment, and no segment, as after a reboot;
- `half`: the snapshot with half of the events behind it, and no segment;
- `none`: the journals alone.

The time is that of the process from its start to its ready line, when queries, events and commands
are taken. All journals are there each time, none was truncated. Beside it stands what the machine
needs for the least of it: a plain read of the same files into one buffer, and for the replayed
events their insertion by the engine alone, on as many threads as there are cores.
The files are in the page cache, as they are after a kill -9; `--cold` (needs root) drops it first
and so measures the disk. Each start must have all numbers, and the verdicts of before the kill.

Not measured: several events of the same caller, kind and second; numbers that leave; a disk that
is busy with something else.
"""

import argparse
import multiprocessing
import os
import shlex
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import grpc
import numpy as np
from feeds import FIRST_CALLER, FIRST_NUMBER, PAST_S, channel_to, make_messages, send
from rich.console import Console
from rich.progress import track
from server_processes import LONG_AGO, Server, machine, segment_as_served

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.settings.policy import Policy, Pool, Rule
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import Measure
from ringfence.server.folder.data_folder import SHARED_MEMORY
from ringfence.server.folder.secret_file import read_secret
from ringfence.v1 import number_service_pb2 as number_messages
from ringfence.v1 import number_service_pb2_grpc as number_grpc

AHEAD = 16
ASKED = 10_000
PIECE_BYTES = 1 << 22
WAYS = ("living", "fresh", "half", "none")
CONFIG = '[snapshot]\ninterval = "1d"\n'  # none but those that are asked for
DROP_CACHES = Path("/proc/sys/vm/drop_caches")

_console = Console(stderr=True)


@dataclass
class Row:
    """One way to start, as it was measured."""

    way: str
    seconds: list[float]
    said: str
    read_s: float
    insert_s: float


class Installation:
    """A data folder with everything that a start may find in it."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.data = folder / "data"
        self.aside = folder / "aside"
        self.aside.mkdir()
        config = folder / "ringfence.toml"
        config.write_text(CONFIG)
        self.serve_options = (
            *("--workers", str(options.workers), "--capacity", str(options.numbers)),
            *("--config", str(config)),
        )

    def start(self) -> Server:
        """Starts a server and waits until it is ready."""
        return Server(self.data, *self.serve_options)

    @property
    def run_folder(self) -> Path:
        """Its folder in shared memory."""
        return SHARED_MEMORY / f"ringfence-{read_secret(self.data / 'folder_id').hex()}"

    def take_snapshot(self, server: Server) -> Path:
        """Has a snapshot taken, and puts it aside, so that journals are never truncated."""
        server.process.send_signal(signal.SIGUSR1)
        while not (found := list((self.data / "snapshots").glob("*.rfs"))):
            time.sleep(0.05)
        return found[0].rename(self.aside / f"{len(list(self.aside.iterdir()))}.rfs")

    def lay_out(self, snapshot: Path | None, *, living: bool) -> list[Path]:
        """Leaves what a start shall find, and returns the files that it reads."""
        for path in (self.data / "snapshots").glob("*.rfs"):
            path.unlink()
        if not living and self.run_folder.exists():
            shutil.rmtree(self.run_folder)
        found = sorted((self.data / "journal").glob("*/data.mdb"))
        if snapshot is not None:
            name = self.data / "snapshots" / f"snapshot-{1:016}.rfs"
            os.link(snapshot, name)
            found.append(name)
        return found


def fill(server: Server, options: argparse.Namespace, part: int, events: int) -> None:
    """Sends so many events, a stream to each worker, at full speed."""
    context = multiprocessing.get_context("spawn")
    batches = -(-events // (options.batch * options.workers))
    progress = context.Queue()
    feeds = [
        context.Process(
            target=run_feed,
            args=(server.address, worker),
            kwargs={
                "seed": 100 * part + worker,
                "batches": batches,
                "options": options,
                "progress": progress,
            },
        )
        for worker in range(options.workers)
    ]
    for feed in feeds:
        feed.start()
    for _ in track(
        range(batches * options.workers), "events, through gRPC", console=_console, transient=True,
        disable=not _console.is_terminal,
    ):  # fmt: skip
        progress.get()
    for feed in feeds:
        feed.join()


def run_feed(
    address: str,
    worker: int,
    *,
    seed: int,
    batches: int,
    options: argparse.Namespace,
    progress: "multiprocessing.Queue[None]",
) -> None:
    """Streams so many batches to one worker; says so each time one is answered."""
    channel = channel_to(address, worker)
    messages = make_messages(options.numbers, options.batch, seed)
    for _ in send(channel, islice(messages, batches), AHEAD):
        progress.put(None)
    channel.close()


def verdicts(server: Server, numbers: int, at: int) -> list[tuple[int, int]]:
    """Verdict and clean_at of some numbers all over the table."""
    asked = FIRST_NUMBER + np.random.default_rng(1).integers(0, numbers, ASKED, np.uint64)
    with grpc.insecure_channel(server.address) as channel:
        answer = number_grpc.NumberServiceStub(channel).CheckNumbers(
            number_messages.CheckNumbersRequest(numbers=asked.tolist(), at=at)
        )
    return list(zip(answer.verdicts, answer.clean_at, strict=True))


def read_plainly(paths: Iterable[Path]) -> float:
    """Seconds to read files as simply as it can be done."""
    piece = bytearray(PIECE_BYTES)
    began = time.perf_counter()
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(piece):
                pass
    return time.perf_counter() - began


def measure_engine(numbers: int, batch: int) -> float:
    """Events that the engine alone inserts in a second, with a thread for each core."""
    segment = segment_as_served(numbers)
    writer = TableWriter(segment)
    publish_settings(
        segment,
        [Policy("default", (Rule(Measure.EVENTS, 86_400, 3),))],
        [Pool("default", "default")],
    )
    called = np.arange(FIRST_NUMBER, FIRST_NUMBER + numbers, dtype=np.uint64)
    begun = np.full(numbers, LONG_AGO, np.uint32)
    reason = np.zeros(numbers, np.uint8)
    now = int(time.time())
    writer.quarantine(
        called, pool=0, quarantined_at=begun, observed_since=begun, reason=reason, now=now
    )
    cores = len(os.sched_getaffinity(0))
    chance = np.random.default_rng(1)
    size = max(batch, 1_000_000)
    batches = [
        (
            FIRST_NUMBER + chance.integers(0, numbers, size, np.uint64),
            FIRST_CALLER + chance.integers(0, 1_000_000, size, np.uint64),
            (now - chance.integers(0, PAST_S, size)).astype(np.uint32),
            chance.integers(1, 7, size, np.int32),
        )
        for _ in range(2 * cores)
    ]
    inserters = [EventInserter(segment, caller_key=bytes(16), worker=i) for i in range(cores)]

    def insert(core: int) -> None:
        for cells in batches[2 * core : 2 * core + 2]:
            inserters[core].insert(*cells, now=now)

    with ThreadPoolExecutor(cores) as threads:
        began = time.perf_counter()
        list(threads.map(insert, range(cores)))
        return 2 * cores * size / (time.perf_counter() - began)


def measure(options: argparse.Namespace, folder: Path) -> list[Row]:
    """Fills a server, then kills and starts it in each way."""
    made = Installation(folder, options)
    server = made.start()
    try:
        with _console.status("numbers into quarantine"):
            server.quarantine(options.numbers)
        fill(server, options, 1, options.events // 2)
        half = made.take_snapshot(server)
        fill(server, options, 2, options.events - options.events // 2)
        fresh = made.take_snapshot(server)
        at = int(time.time())
        expected = verdicts(server, options.numbers, at)
        server.kill()
        rate = measure_engine(options.numbers, options.batch)
        rows = []
        for way in options.ways:
            snapshot = {"living": fresh, "fresh": fresh, "half": half, "none": None}[way]
            seconds, read_s = [], []
            for _ in range(options.times):
                paths = made.lay_out(snapshot, living=way == "living")
                if options.cold:
                    os.sync()
                    DROP_CACHES.write_text("1\n")
                else:
                    read_s.append(read_plainly([] if way == "living" else paths))
                server = made.start()
                seconds.append(server.ready_s)
                if verdicts(server, options.numbers, at) != expected:
                    raise SystemExit(f"other verdicts than before: {server.ready_line}")
                if (numbers := server.status().numbers) != options.numbers:
                    raise SystemExit(f"numbers are missing: {numbers} of {options.numbers}")
                server.kill()
            events = {"half": options.events / 2, "none": options.events}.get(way, 0)
            said = server.ready_line.partition("ring_entries=")[2].partition(" ")[2]
            rows.append(Row(way, seconds, said, min(read_s, default=0.0), events / rate))
            show(rows[-1])
        return rows
    finally:
        if server.process.poll() is None:
            server.kill()
        shutil.rmtree(made.run_folder, ignore_errors=True)


def show(row: Row) -> None:
    """One line of the table."""
    least = row.read_s + row.insert_s
    print(
        f"| {row.way} | {statistics.median(row.seconds):.2f} | {min(row.seconds):.2f} |"
        f" {row.read_s:.2f} | {row.insert_s:.2f} |"
        f" {least / statistics.median(row.seconds):.2f} | {row.said} |",
        flush=True,
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--numbers", type=int, default=100_000, help="numbers in quarantine")
    parser.add_argument("--events", type=int, default=1_000_000, help="journalled events")
    parser.add_argument("--batch", type=int, default=16_384, help="events in a batch, <= 65,536")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--times", type=int, default=3, help="starts in each way")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, metavar="WAY")
    parser.add_argument("--cold", action="store_true", help="drop the page cache before each start")
    parser.add_argument("--folder", type=Path, default=None, help="where the files are written")
    parser.add_argument("--smoke", action="store_true", help="so small that figures mean nothing")
    options = parser.parse_args()
    if options.smoke:
        options.numbers, options.events, options.batch, options.times = 1_000, 20_000, 500, 1
    print("command:", shlex.join(["python", *sys.argv]))
    print("machine:", machine())
    print(f"\n{options.numbers:,} numbers, {options.events:,} events journalled\n")
    print("| start | seconds, median | best | plain read | engine alone | least to median | said |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="ringfence-benchmark-", dir=options.folder) as folder:
        measure(options, Path(folder))


if __name__ == "__main__":
    main()
