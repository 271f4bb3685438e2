"""Processes that write to a segment at once, to be synchronised or killed by a test.

They come from a fork server: real processes, quick to start, without the threads of the test run.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import FORMER_LIFE_S, DisconnectReason, State
from support.engine import Engine
from support.siphash import caller_mark
from support.small_table import KEY, NUMBERS, START

FEW = NUMBERS[:4]
CALLERS = np.array([0, *range(441632960001, 441632960006), 2**63 | 1], np.uint64)
MARKS = np.array([caller_mark(KEY, int(caller)) for caller in CALLERS], np.uint64)
BATCH_EVENTS = 1000

STEPS = "-steps"

Columns = tuple[
    npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.uint32], npt.NDArray[np.int32]
]
"""Called, caller, occurred_at, kind."""

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    ["numpy", "ringfence.engine.verdict.reader", "ringfence.engine.table.writer"]
)


def rising_events(seed: int, first_s: int, count: int) -> Columns:
    """Events whose times rise: nearly every one of them displaces another."""
    random = np.random.default_rng(seed)
    rising = np.sort(random.integers(first_s, first_s + count // 8, count))
    times = START + np.maximum(0, rising + random.integers(-20, 20, count))
    return (
        random.choice(np.array(FEW, np.uint64), count),
        random.choice(CALLERS, count),
        times.astype(np.uint32),
        random.integers(1, 7, count).astype(np.int32),
    )


def entries_of(columns: Columns) -> npt.NDArray[np.uint64]:
    """The entry that each of these events makes."""
    _, caller, occurred_at, kind = columns
    order = np.argsort(CALLERS)
    marks = MARKS[order[np.searchsorted(CALLERS[order], caller)]]
    entries: npt.NDArray[np.uint64] = occurred_at.astype(np.uint64) << np.uint64(32)
    entries |= marks << np.uint64(8)
    entries |= kind.astype(np.uint64)
    return entries


def cut(columns: Columns, begin: int, end: int) -> Columns:
    """Some of the events."""
    called, caller, occurred_at, kind = columns
    return called[begin:end], caller[begin:end], occurred_at[begin:end], kind[begin:end]


def start(target: Callable[..., None], *arguments: object) -> tuple[BaseProcess, Connection]:
    """Starts a process, waits until it is ready, and returns it with the line to it."""
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    assert ours.recv() == "ready"
    return process, ours


def send_events(line: Connection, path: str, worker: int, columns: Columns, turns: int) -> None:
    """Inserts the events, in batches, so many times; begins when it is told to."""
    engine = Engine(Segment.open(path), caller_key=KEY, worker=worker)
    line.send("ready")
    line.recv()
    for _ in range(turns):
        for begin in range(0, columns[0].size, BATCH_EVENTS):
            batch = cut(columns, begin, begin + BATCH_EVENTS)
            engine.insert(*batch, now=START + 10**6)
    line.send("done")


def send_in_step(line: Connection, path: str, worker: int, columns: Columns, step: int) -> None:
    """Inserts so many events at a time, each time when all the processes have come that far.

    They see each other's progress in a file beside the segment: one cell a process, written by
    it alone.
    """
    engine = Engine(Segment.open(path), caller_key=KEY, worker=worker)
    progress = np.memmap(path + STEPS, np.uint64, "r+")
    line.send("ready")
    for begin in range(0, columns[0].size, step):
        progress[worker] += 1
        while progress.min() < progress[worker]:
            pass
        engine.insert(*cut(columns, begin, begin + step), now=START + 10**6)
    line.send("done")


def change_headers(line: Connection, path: str, numbers: list[int], now: int) -> None:
    """Puts numbers through every change of a header, over and over, until it is killed.

    Says so once in each turn.
    """
    writer = TableWriter(Segment.open(path))
    line.send("ready")
    line.recv()
    while True:
        for number in numbers:
            now += FORMER_LIFE_S
            if writer.header(number) is None or writer.earliest_quarantine(number):
                writer.quarantine(
                    np.array([number], np.uint64),
                    pool=0,
                    quarantined_at=np.array([now], np.uint32),
                    observed_since=np.array([now], np.uint32),
                    reason=np.array([DisconnectReason.FRAUD], np.uint8),
                    now=now,
                )
            writer.set_state(number, State.HELD, since=now)
            writer.set_override(number, now)
            writer.set_state(number, State.QUARANTINED, since=now)
            writer.set_state(number, State.RETIRED, since=now)
            if number == numbers[0]:
                line.send("changing")
