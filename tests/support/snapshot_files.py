"""Snapshots of small tables in small blocks, for tests to load and to damage."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.new_segment import new_segment
from ringfence.engine.settings.policy import Policy, Pool, Rule, Spray
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.snapshot import format as snapshot_format
from ringfence.engine.snapshot import load_snapshot, write_snapshot
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import Measure
from support.engine import Engine
from support.robots import mark_as_spray, week_spray
from support.small_table import KEY, START, SmallTable, make_table

MANY = list(range(447700900000, 447700901000))
BLOCK_BYTES = 4096
SPRAY = week_spray(callers=1024)
POSITIONS = {"worker-0": 17, "worker-1": 2**40}
KEEPER_PARTS = [bytes(range(256)) * 40, b"", b"the end"]  # the first is more than two blocks
HAND_OUTS = [bytes(range(255, -1, -1)) * 20, b"", b"0123456789abcdef"]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots of many blocks without many numbers."""
    monkeypatch.setattr(snapshot_format, "BLOCK_BYTES", BLOCK_BYTES)


@pytest.fixture
def segment_path() -> Iterator[Path]:
    """Where a segment is in production: in memory."""
    path = Path("/dev/shm") / f"ringfence-test-{os.getpid()}-{os.urandom(4).hex()}"
    yield path
    path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Taken:
    """Snapshots that a test has taken of one table, by number."""

    table: SmallTable
    folder: Path

    def take(self, number: int = 1) -> Path:
        return write_snapshot(
            self.table.segment,
            self.folder,
            number=number,
            positions=POSITIONS,
            keeper_position=5,
            keeper_state=KEEPER_PARTS,
            hand_outs=HAND_OUTS,
            keeper_state_position=6,
            taken_at=START + 1000,
        )


def busy_table(
    path: Path | None = None,
    *,
    numbers: int = len(MANY),
    ring_entries: int = 12,
    spray: Spray = SPRAY,
) -> SmallTable:
    """A table with events at all its numbers and some bits in its spray map."""
    table = make_table(
        path,
        numbers=MANY[:numbers],
        capacity_numbers=max(1, numbers),
        ring_entries=ring_entries,
        spray=spray,
    )
    mark_as_spray(table.segment, range(1, 2000))
    called, caller, occurred_at, kind = random_events(1, MANY[:numbers], 5 * numbers, 0)
    table.engine.insert(called, caller, occurred_at, kind, now=START + 10**6)
    return table


def random_events(
    seed: int | tuple[int, ...], numbers: list[int], count: int, first_s: int
) -> tuple[
    "np.ndarray[tuple[int], np.dtype[np.uint64]]",
    "np.ndarray[tuple[int], np.dtype[np.uint64]]",
    "np.ndarray[tuple[int], np.dtype[np.uint32]]",
    "np.ndarray[tuple[int], np.dtype[np.int32]]",
]:
    """Events at any of these numbers from some seconds after START on, within 1,000 seconds."""
    chance = np.random.default_rng(seed)
    return (
        chance.choice(np.array(numbers, np.uint64), count if numbers else 0),
        chance.integers(441632960000, 441632960999, count, np.uint64, endpoint=True),
        (START + first_s + chance.integers(0, 1000, count)).astype(np.uint32),
        chance.integers(1, 7, count).astype(np.int32),
    )


def empty_segment(
    capacity_numbers: int = len(MANY), ring_entries: int = 12, spray: Spray = SPRAY
) -> Segment:
    """A segment to load into."""
    return new_segment(
        None, capacity_numbers=capacity_numbers, ring_entries=ring_entries, spray=spray
    )


def loaded(
    path: Path,
    *,
    capacity_numbers: int = len(MANY),
    ring_entries: int = 12,
    spray: Spray = SPRAY,
) -> SmallTable:
    """The table of a snapshot, with the settings that the keeper would publish."""
    segment = empty_segment(capacity_numbers, ring_entries, spray)
    load_snapshot(path, segment, threads=4)
    table = SmallTable(segment, TableWriter(segment), Engine(segment, caller_key=KEY))
    policy = Policy("policy", (Rule(Measure.EVENTS, 100, 0),))
    publish_settings(table.segment, [policy], [Pool("pool", "policy")])
    return table
