"""What a table is like after ten times its capacity has come and gone.

    python benchmarks/churn.py --capacity 100000 --seconds 3600 --folder /var/tmp

A real server is filled nearly. Then numbers leave and as many come, `--times` the
capacity in the time, one in two of them back for another life once it may be; half of those that
leave are restored, half reserved, confirmed and let go by the server a few seconds later. A stream
of events to each worker goes to numbers that are in, that left and that never came. Of one number
in fifty the oracle of the tests is asked as well, all the time: verdicts, rings and what became of
events must be the same. Every `--every` seconds a row says

- how long searches in the index are, in places, on average and at most, and how long they would be
  if the same numbers had come into a fresh table;
- how many events a second a copy of the table takes, to those that a fresh one takes with the same
  numbers, rings and callers: both in one process, in turn, so the machine makes no difference;
- what memory keeper and workers have of their own, and how many former lives there may be.

At the end nothing comes any more: the server must say that as many numbers are in as have come and
not gone, and that there is room at once for all others. It is killed with kill -9 and started
again, from the memory that it left and then, without that, from a snapshot and the journals: all
must be the same, the hash of the state and what is said of each number.

Not measured: robots, as their discount depends on the order of events; feeds' claims; a network.
"""

import argparse
import json
import shlex
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from churn_numbers import QUICK, Commands, Turnover, Work
from churn_sample import POLICIES, POOLS, Sample
from churn_served import Feed, Installation, Listing, memory_mib, take_snapshot
from churn_table import Table
from feeds import FIRST_NUMBER
from rich.console import Console
from server_processes import STEP, Server, machine

FULL = 0.97
LATE_S = 3.0
SAMPLED = 50
TURN_S = 1.0
CALLS_A_SAMPLED = 0.1
SETTLED_S = 120.0
SEED = 20_260_101
HEAD = (
    "seconds", "came", "left", "events", "in use", "ready", "mean", "fresh mean", "longest",
    "fresh longest", "inserts to fresh", "keeper MiB", "workers MiB", "as the oracle",
)  # fmt: skip

_console = Console(stderr=True)


class Churn:
    """A server, whose numbers come and go."""

    def __init__(self, made: Installation, options: argparse.Namespace) -> None:
        self._made = made
        self._options = options
        self.server = made.start()
        made.put_settings(self.server, POLICIES, POOLS)
        self._bulk = Turnover(FIRST_NUMBER)
        self._commands = Commands(self.server.address)
        self._sample = Sample(
            self.server.address,
            ring_entries=self.server.status().ring_entries,
            caller_key=made.caller_key,
            seed=SEED,
        )
        self._still = threading.Lock()
        self._began = 0.0
        self._assign = False

    def fill(self) -> None:
        """Numbers come until the table is as full as it is to stay."""
        gone_after_s = 2 * self._made.kept_s + LATE_S  # an assigned number
        late = self._a_turn / 2 * gone_after_s / TURN_S
        most = int(self._options.capacity * FULL - late)
        sampled = most // SAMPLED
        wanted = most - sampled
        a_turn = self._a_turn
        for first in range(0, wanted, a_turn):
            self._come(min(a_turn, wanted - first))
        for first in range(0, sampled, self._sampled_a_turn):
            self._sample.come(min(self._sampled_a_turn, sampled - first))

    @property
    def _a_turn(self) -> int:
        rate = self._options.times * self._options.capacity / self._options.seconds
        return min(STEP, max(1, round(rate * TURN_S)))

    @property
    def _sampled_a_turn(self) -> int:
        return max(1, self._a_turn // SAMPLED)

    def _come(self, count: int) -> None:
        begun = [int(time.time())]
        self._commands.quarantine(self._bulk.come(count), QUICK, begun)

    def _turn(self) -> None:
        numbers = self._bulk.leave()
        self._assign = not self._assign
        self._commands.let_go(numbers, assign=self._assign)
        self._bulk.gone(numbers)
        self._come(self._a_turn)

    def run(self) -> list[dict[str, float]]:
        """All of it at once, until the time is over; the rows."""
        options, sample = self._options, self._sample
        calls = max(10, round(options.capacity / SAMPLED * CALLS_A_SAMPLED))
        feeds = [
            Feed(self.server.address, worker, self._bulk, options.events / options.workers)
            for worker in range(options.workers)
        ]
        works = [
            Work(self._turn, TURN_S, self._still),
            Work(lambda: sample.turn(self._sampled_a_turn, calls), TURN_S, threading.Lock()),
        ]
        self._began = time.monotonic()
        for each in (*works, *feeds):
            each.start()
        rows = []
        for due in np.append(np.arange(0, options.seconds, options.every), options.seconds):
            while time.monotonic() < self._began + due:
                time.sleep(0.1)
                self._raise_errors(works, feeds)
            rows.append(self.row(feeds))
            self.show(rows[-1])
        for each in (*feeds, *works):
            each.ending.set()
        for each in (*feeds, *works):
            each.join()
        self._raise_errors(works, feeds)
        accepted = sum(feed.accepted for feed in feeds) + sample.accepted
        if (held := self.server.status().events_total) != accepted:
            raise SystemExit(f"answered is not held: accepted={accepted}, held={held}")
        return rows

    def _raise_errors(self, works: list[Work], feeds: list[Feed]) -> None:
        for each in (*works, *feeds):
            if each.error is not None:
                raise SystemExit(f"{type(each).__name__}: {each.error}") from each.error

    def row(self, feeds: list[Feed]) -> dict[str, float]:
        """What there is to say now."""
        with self._still:
            status = self.server.status()
            table = Table(self._made.run_folder / "segment")
            called = Feed.called(self._bulk, np.random.default_rng(SEED), 4 * STEP)
        ratio = table.insert_ratio(called, SEED)
        values = (
            round(time.monotonic() - self._began),
            self._bulk.came + self._sample.turnover.came,
            self._bulk.left + self._sample.turnover.left,
            sum(feed.accepted + feed.untracked for feed in feeds),
            status.numbers,
            status.numbers_ready,
            round(table.searches.mean, 4),
            round(table.fresh_searches.mean, 4),
            table.searches.longest,
            table.fresh_searches.longest,
            round(ratio, 3),
            round(memory_mib(self.server, "keeper"), 1),
            round(memory_mib(self.server, "worker-"), 1),
            self._sample.compared,
        )
        if status.room_held_up:
            raise SystemExit(f"room is held up: {status.room_held_up}")
        return dict(zip(HEAD, values, strict=True))

    def show(self, row: dict[str, float]) -> None:
        """A line of the table, and of the file."""
        print("|", " | ".join(f"{value:,}" for value in row.values()), "|", flush=True)
        if self._options.json:
            with self._options.json.open("a") as file:
                file.write(json.dumps(row) + "\n")

    def settled(self, at: int) -> Listing:
        """Waits until all have left that are to leave; what it says then of `at`."""
        inside = [*self._bulk.inside, *self._sample.turnover.inside]
        expected = sum(map(len, inside)), self._options.capacity - sum(map(len, inside))
        deadline = time.monotonic() + SETTLED_S
        while True:
            status = self.server.status()
            found = status.numbers, status.numbers_ready
            if found == expected:
                break
            if time.monotonic() > deadline:
                raise SystemExit(f"in use and ready: {found}, expected={expected}")
            time.sleep(0.2)
        self._sample.look_at_all()
        return Listing(self.server, self._made.run_folder, np.concatenate(inside), at)

    def start_again(self, *, reboot: bool) -> Server:
        """Kills all, and starts: from memory, or without it from the disk."""
        self.server.kill()
        if reboot:
            shutil.rmtree(self._made.run_folder)
        self.server = self._made.start()
        self._sample.again(self.server.address)
        return self.server


def measured(options: argparse.Namespace, folder: Path) -> None:
    """All of it."""
    made = Installation(folder, options)
    churn = Churn(made, options)
    try:
        with _console.status("numbers into quarantine"):
            churn.fill()
        print("\n|", " | ".join(HEAD), "|\n" + "|---" * len(HEAD) + "|", flush=True)
        churn.run()
        at = int(time.time())
        before = churn.settled(at)
        take_snapshot(churn.server)
        for reboot in (False, True):
            server = churn.start_again(reboot=reboot)
            after = churn.settled(at)
            if (lacking := before.differences(after)) != []:
                raise SystemExit(f"other than before: {', '.join(lacking)}: {server.ready_line}")
            ready = server.ready_line.partition("ring_entries=")[2].partition(" ")[2]
            print(f"\nthe same {len(before.numbers):,} numbers after kill -9: {ready}")
    finally:
        if churn.server.process.poll() is None:
            churn.server.kill()
        shutil.rmtree(made.run_folder, ignore_errors=True)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--capacity", type=int, default=100_000, help="numbers")
    parser.add_argument("--seconds", type=float, default=3_600.0)
    parser.add_argument("--times", type=float, default=10.0, help="of the capacity come and go")
    parser.add_argument("--events", type=float, default=100_000, help="a second, for all workers")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between rows")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None, help="where the files are written")
    parser.add_argument("--json", type=Path, default=None, help="a file for an object a row")
    parser.add_argument("--smoke", action="store_true", help="so small that figures mean nothing")
    options = parser.parse_args()
    if options.smoke:
        options.capacity, options.times, options.events = 2_000, 1.0, 2_000
        options.seconds, options.every = 6.0, 3.0
    print("command:", shlex.join(["python", *sys.argv]))
    print("machine:", machine())
    with tempfile.TemporaryDirectory(prefix="ringfence-benchmark-", dir=options.folder) as folder:
        measured(options, Path(folder))


if __name__ == "__main__":
    main()
