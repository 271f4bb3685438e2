"""One table of full or nearly empty rings: what inserts, checks and looks through it take.

`rings.py` starts this in a process of its own for each size of the rings and each build, and asks
for one measure at a time over a pipe. Time is that of the processor: other work on the machine
takes none of it, though it does take caches.
"""

import json
import sys
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from engine_processes import BATCH, KEY, POLICY, START, Columns

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.memory.segment import RING_ENTRIES, Segment
from ringfence.engine.settings.policy import Pool
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.verdict.scan import TableScan

FIRST = 999 * 10**9  # country code 999 belongs to nobody
SPACING_S = 6 * 3_600  # between two events of a number
LATE_ROUNDS = 3


class Rings:
    """A table whose numbers all have as many events, and more of them to come."""

    def __init__(self, ring_entries: int, numbers: int, rounds: int) -> None:
        self._numbers = numbers
        self._random = np.random.default_rng(1)
        self._round = LATE_ROUNDS
        self.segment = Segment.create(None, capacity_numbers=numbers, ring_entries=ring_entries)
        publish_settings(self.segment, [POLICY], [Pool("benchmark", "benchmark")])
        times = np.full(numbers, START, np.uint32)
        TableWriter(self.segment).quarantine(
            np.arange(FIRST, FIRST + numbers, dtype=np.uint64),
            pool=0,
            quarantined_at=times,
            observed_since=times,
            reason=np.zeros(numbers, np.uint8),
            now=START,
        )
        self._inserter = EventInserter(self.segment, caller_key=KEY)
        self._verdicts = VerdictReader(self.segment)
        self._scan = TableScan(self.segment)
        for _ in range(rounds):
            self._insert(list(self._events(numbers)))

    @property
    def now(self) -> int:
        """When the newest events happened, or a little later."""
        return START + self._round * SPACING_S

    def insert(self, events: int) -> float:
        """Seconds that so many events take, an equal number for each number in turn."""
        batches = list(self._events(events))
        began = time.process_time()
        self._insert(batches)
        return time.process_time() - began

    def check(self, checks: int) -> float:
        """Seconds that verdicts take, of numbers all over the table."""
        asked = self._random.integers(FIRST, FIRST + self._numbers, checks, np.uint64)
        began = time.process_time()
        for at in range(0, checks, BATCH):
            self._verdicts.check(asked[at : at + BATCH], now=self.now)
        return time.process_time() - began

    def scan(self, checks: int) -> float:
        """Seconds that one look through so many numbers takes, from looks through the table."""
        began = time.process_time()
        self._scan.count(now=self.now)
        return (time.process_time() - began) * checks / self._numbers

    def _insert(self, batches: list[Columns]) -> None:
        for batch in batches:
            self._inserter.insert(*batch, now=self.now + SPACING_S)

    def _events(self, count: int) -> Iterator[Columns]:
        """Batches of events that come nearly in order: one in 16 is late, one in 16 comes again."""
        while count > 0:
            self._round += 1
            called = self._random.permutation(self._numbers)[:count].astype(np.uint64)
            rounds = np.full(called.size, self._round)
            late = called.size // 16
            rounds[:late] -= self._random.integers(1, LATE_ROUNDS + 1, late)
            rounds[late : 2 * late] -= 1  # and is the same event as then
            self._random.shuffle(rounds)
            yield from self._batches(called + np.uint64(FIRST), rounds)
            count -= called.size

    def _batches(
        self, called: npt.NDArray[np.uint64], rounds: npt.NDArray[np.int64]
    ) -> Iterator[Columns]:
        """Everything else follows from number and round."""
        mixed = (called * np.uint64(1_000_003) ^ rounds.astype(np.uint64)) * np.uint64(
            0x9E3779B97F4A7C15
        ) >> np.uint64(20)
        occurred_at = (START + rounds * SPACING_S - mixed % SPACING_S).astype(np.uint32)
        kind = (1 + mixed % 6).astype(np.int32)
        caller = np.uint64(999_500_000_000) + mixed % np.uint64(10**6)
        for at in range(0, called.size, BATCH):
            part = slice(at, at + BATCH)
            yield called[part], caller[part], occurred_at[part], kind[part]


def main() -> None:
    """Makes the table and says what a number takes, then measures what each line asks for."""
    ring_entries, numbers, rounds = map(int, sys.argv[1:])
    if ring_entries not in RING_ENTRIES:
        print(json.dumps(None))
        return
    rings = Rings(ring_entries, numbers, rounds)
    sizes = [Segment.bytes_needed(count, ring_entries) for count in (1, 10**7 + 1)]
    print(json.dumps((sizes[1] - sizes[0]) / 10**7), flush=True)
    for line in sys.stdin:
        what, count = json.loads(line)
        print(json.dumps(count / getattr(rings, what)(count)), flush=True)


if __name__ == "__main__":
    main()
