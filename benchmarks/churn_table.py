"""A table with numbers that came and went, beside one into which they had just come."""

import statistics
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from feeds import FIRST_CALLER

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.memory.layout import NUMBER_MASK
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.new_segment import new_segment
from ringfence.engine.settings.reading import read_spray
from ringfence.engine.table.records import record_dtype, records
from ringfence.engine.table.writer import TableWriter

COPIES_MAX = 10
ROUNDS = 41
EVENTS = 65_536
SPRAY_MAP_BYTES = 1 << 21
KEY = bytes(16)

Words = npt.NDArray[np.uint64]


class Searches(NamedTuple):
    """How far entries stand from where the search for their numbers begins, in places."""

    mean: float
    longest: int


class Torn(Exception):
    """The table was copied while an entry was on its way to another place."""


class Table:
    """A copy of a served table, and a fresh one with the same numbers, rings and callers."""

    def __init__(self, path: Path) -> None:
        """Copies the segment of a running server, whose data plane goes on meanwhile."""
        for _ in range(COPIES_MAX):
            served = Segment.open(path)
            self.segment = new_segment(
                None,
                capacity_numbers=served.capacity_numbers,
                ring_entries=served.ring_entries,
                spray=read_spray(served),
            )
            self.segment.view()[:] = served.view()
            try:
                self.searches = searches(self.segment)
            except Torn:
                continue
            break
        else:
            raise SystemExit(f"{path}: places between a home and its entry are empty")
        self.fresh = _fresh(self.segment)
        self.fresh_searches = searches(self.fresh)

    def insert_ratio(self, called: Words, seed: int) -> float:
        """Inserts a second into the copy, to those into the fresh table: batches of calls at some
        of these numbers go into both in turn.
        """
        chance = np.random.default_rng(seed)
        now = int(time.time())
        tables = [
            EventInserter(table, caller_key=KEY, worker=0) for table in (self.segment, self.fresh)
        ]
        ratios = []
        for round_ in range(ROUNDS):
            batch = chance.choice(called, EVENTS)
            caller = np.uint64(FIRST_CALLER) + batch % np.uint64(10**8)
            times = (now - chance.integers(0, 600, EVENTS)).astype(np.uint32)
            kinds = chance.integers(1, 7, EVENTS, np.int32)
            taken = {}
            for at in (0, 1) if round_ % 2 else (1, 0):
                began = time.perf_counter()
                tables[at].insert(batch, caller, times, kinds, now=now)
                taken[at] = time.perf_counter() - began
            ratios.append(taken[1] / taken[0])
        return statistics.median(ratios)


def index_of(segment: Segment) -> Words:
    """The places of the index; 0 = empty."""
    places = 2 * segment.capacity_numbers
    return np.frombuffer(segment.view(), np.uint64, places, _index_offset(segment))


def searches(segment: Segment) -> Searches:
    """Of all entries; raises Torn where a search would end before it has come to its entry."""
    index = index_of(segment)
    places = np.flatnonzero(index)
    if not len(places):
        return Searches(0.0, 0)
    at = (index[places] & np.uint64(0xFFFFFFFF)) - np.uint64(1)
    if at.max() >= segment.numbers or len(np.unique(at)) < len(at):
        raise Torn
    homes = _homes(records(segment)["key"][at] & np.uint64(NUMBER_MASK), len(index))
    steps = (places - homes) % len(index)
    empty = np.where(np.concatenate([index, index]) == 0, np.arange(2 * len(index)), -1)
    last_empty = np.maximum.accumulate(empty)[places + len(index)]
    if (steps >= places + len(index) - last_empty).any():
        raise Torn
    return Searches(float(steps.mean()), int(steps.max()))


def _homes(numbers: Words, places: int) -> npt.NDArray[np.int64]:
    """Where searches begin, as `table.pxd` says."""
    mixed = numbers ^ numbers >> np.uint64(33)
    mixed = mixed * np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(33)
    mixed = mixed * np.uint64(0xC4CEB9FE1A85EC53)
    mixed ^= mixed >> np.uint64(33)
    low = (mixed & np.uint64(0xFFFFFFFF)) * np.uint64(places) >> np.uint64(32)
    high = (mixed >> np.uint64(32)) * np.uint64(places)
    return (high + low >> np.uint64(32)).astype(np.int64)


def _index_offset(segment: Segment) -> int:
    return segment.records_offset - -(-16 * segment.capacity_numbers // 4096) * 4096


def _fresh(churned: Segment) -> Segment:
    """A table into which the numbers of another one have come, in any order, with their rings and
    the callers.
    """
    spray = read_spray(churned)
    fresh = new_segment(
        None,
        capacity_numbers=churned.capacity_numbers,
        ring_entries=churned.ring_entries,
        spray=spray,
    )
    index = index_of(churned)
    there = records(churned)[(index[index > 0] & np.uint64(0xFFFFFFFF)) - np.uint64(1)]
    there = np.random.default_rng(1).permutation(there)
    begun = there["quarantined_at"].copy()
    TableWriter(fresh).quarantine(
        there["key"] & np.uint64(NUMBER_MASK),
        pool=0,
        quarantined_at=begun,
        observed_since=begun,
        reason=np.zeros(len(there), np.uint8),
        now=int(time.time()),
    )
    dtype = record_dtype(fresh.ring_entries)
    rows = np.frombuffer(fresh.view(), dtype, fresh.numbers, fresh.records_offset)
    rows[:] = there
    index_at, callers_at = _index_offset(fresh), fresh.size_bytes - _callers_bytes(spray.callers)
    for part in (slice(index_at - SPRAY_MAP_BYTES, index_at), slice(callers_at, None)):
        fresh.view()[part] = churned.view()[part]
    return fresh


def _callers_bytes(callers: int) -> int:
    return -(-72 * callers // 4096) * 4096
