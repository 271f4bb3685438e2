"""The fixed work of the engine's benchmark, and the processes that share it out among them."""

import multiprocessing
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import DAY_S, Policy, Pool, Rule
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import EventKind, Measure

KEY = bytes(range(16))
START = 1_700_000_000
SPAN_S = 90 * DAY_S
BATCH = 65_536  # events or numbers a call
POLICY = Policy(
    "benchmark",
    (
        Rule(Measure.REPEAT_CALLERS, SPAN_S, 0),
        Rule(Measure.EVENTS, SPAN_S, 0, frozenset({EventKind.A2P_SMS})),
        Rule(Measure.EVENTS, 30 * DAY_S, 10),
    ),
)

Columns = tuple[
    npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.uint32], npt.NDArray[np.int32]
]
context = multiprocessing.get_context("forkserver")


def cut(columns: Columns, begin: int, end: int) -> Columns:
    """Some of the events."""
    called, caller, occurred_at, kind = columns
    return called[begin:end], caller[begin:end], occurred_at[begin:end], kind[begin:end]


@dataclass(frozen=True)
class Work:
    """So many events at so many numbers, the same ones for one seed."""

    numbers: int
    events_total: int
    seed: int
    first_number: int = 999 * 10**9  # country code 999 belongs to nobody
    now: int = START + SPAN_S

    def events(self, begin: int, end: int) -> Columns:
        """Events `begin` to `end`, made in blocks so that every process makes its own."""
        blocks = [self._block(block) for block in range(begin // BATCH, -(-end // BATCH))]
        first = begin // BATCH * BATCH
        columns = zip(*blocks, strict=True)
        called, caller, occurred_at, kind = (np.concatenate(column) for column in columns)
        return cut((called, caller, occurred_at, kind), begin - first, end - first)

    def _block(self, block: int) -> Columns:
        random = np.random.default_rng((self.seed, block))
        called = random.integers(0, self.numbers, BATCH, np.uint64) + np.uint64(self.first_number)
        caller = np.uint64(999_500_000_000) + random.integers(0, 10**6, BATCH, np.uint64)
        occurred_at = random.integers(START, START + SPAN_S, BATCH, np.uint32)
        kind = random.integers(1, 7, BATCH, np.int32)
        for column in (called, caller, occurred_at, kind):
            column[: BATCH // 4] = column[BATCH // 4 : BATCH // 2]  # sent twice
        return called, caller, occurred_at, kind

    def asked(self, begin: int, end: int) -> npt.NDArray[np.uint64]:
        """The numbers of checks `begin` to `end`, all over the table."""
        return np.random.default_rng((self.seed, begin, end)).integers(
            self.first_number, self.first_number + self.numbers, end - begin, np.uint64
        )


@dataclass(frozen=True)
class Phase:
    """What the processes did together."""

    rate: float
    """Inserts or checks per second, from the first begin to the last end."""
    checksum: int


def make_segment(work: Work, folder: str) -> tuple[Path, Segment]:
    """A segment full of numbers that have been in quarantine for 90 days."""
    path = Path(folder) / f"ringfence-benchmark-{os.getpid()}"
    segment = Segment.create(path, capacity_numbers=work.numbers)
    writer = TableWriter(segment)
    publish_settings(segment, [POLICY], [Pool("benchmark", "benchmark")])
    times = np.full(work.numbers, START, np.uint32)
    writer.quarantine(
        np.arange(work.first_number, work.first_number + work.numbers, dtype=np.uint64),
        pool=0,
        quarantined_at=times,
        observed_since=times,
        reason=np.zeros(work.numbers, np.uint8),
        now=START,
    )
    return path, segment


def run_processes(path: Path, work: Work, processes: int) -> tuple[Phase, Phase]:
    """Inserts all events and makes all checks; every process has its share of both."""
    shares = np.linspace(0, work.events_total, processes + 1).astype(int).tolist()
    lines = []
    for worker in range(processes):
        ours, theirs = context.Pipe()
        arguments = (theirs, str(path), work, worker, shares[worker], shares[worker + 1])
        context.Process(target=share_of_work, args=arguments, daemon=True).start()
        theirs.close()
        lines.append(ours)
    inserted = _phase(lines, work.events_total)
    checked = _phase(lines, work.events_total)
    return inserted, checked


def _phase(lines: list[Connection], operations: int) -> Phase:
    """Lets all begin at once and waits for all."""
    for line in lines:
        assert line.recv() == "ready"
    for line in lines:
        line.send("go")
    began, ended, checksums = zip(*(line.recv() for line in lines), strict=True)
    return Phase(operations / (max(ended) - min(began)), sum(checksums) % 2**64)


def share_of_work(  # noqa: PLR0917 (a process takes its arguments by position)
    line: Connection, path: str, work: Work, worker: int, begin: int, end: int
) -> None:
    """One process: its share of the inserts, then its share of the checks."""
    segment = Segment.open(path)
    inserter = EventInserter(segment, caller_key=KEY, worker=worker)
    verdicts = VerdictReader(segment)
    columns = work.events(begin, end)
    batches = [cut(columns, at, at + BATCH) for at in range(0, end - begin, BATCH)]
    line.send("ready")
    line.recv()
    began = time.monotonic()
    accepted = sum(inserter.insert(*batch, now=work.now).accepted for batch in batches)
    line.send((began, time.monotonic(), accepted))

    asked = list(_blocks_of_checks(work, begin, end))
    answers = []
    line.send("ready")
    line.recv()
    began = time.monotonic()
    for numbers in asked:
        answers.append(verdicts.check(numbers, now=work.now))
    ended = time.monotonic()
    line.send((began, ended, sum(map(_checksum, asked, answers))))


def _blocks_of_checks(work: Work, begin: int, end: int) -> Iterable[npt.NDArray[np.uint64]]:
    """A share of the checks, cut where all shares are cut: the same checks for any processes."""
    for at in range(begin // BATCH * BATCH, end, BATCH):
        block = work.asked(at, at + BATCH)
        yield block[max(0, begin - at) : max(0, end - at)]


def _checksum(
    numbers: npt.NDArray[np.uint64],
    answers: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]],
) -> int:
    """A sum over all answers that does not depend on their order."""
    verdicts, clean_at = answers
    said = verdicts.astype(np.uint64) << np.uint64(32) | clean_at
    mixed = (numbers ^ said * np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xD1342543DE82EF95)
    return int((mixed ^ mixed >> np.uint64(29)).sum())
