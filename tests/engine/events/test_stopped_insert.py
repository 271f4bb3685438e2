"""A worker stopped, or killed, anywhere in an insert, while the number leaves and its slot becomes
another's: no event of the one comes into the ring of the other.
"""

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from support.crowded_table import (
    CROWD,
    FIRST,
    OTHERS,
    all_records,
    born,
    check_soundness,
    come_back,
    crowded_table,
    image_of,
    inserting,
    leave,
    put_image,
    reopened,
)
from support.engine import Engine
from support.late_inserts import INSERTS, WORKER, Insert
from support.single_step import SteppedProcess
from support.small_table import KEY, SmallTable

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import NO_SPRAY, Spray

pytestmark = pytest.mark.slow

STRIDE = int(os.environ.get("RINGFENCE_STRIDE", "1"))
NEW = OTHERS[0]
SPRAY = Spray(8, 3_600, 64)


def give_slot_on(table: SmallTable) -> None:
    """The slot that has become ready becomes another number's, whose ring and header are new."""
    table.quarantine([NEW], born(NEW))
    record = all_records(table.segment)[0]
    assert int(record["key"]) == NEW
    assert not record["entries"].any()
    assert record["events_total"] == 0


def killed_there(table: SmallTable, twin: Segment) -> None:
    """The worker does not go on; the one that replaces it begins, and the slot is given on."""
    put_image(twin, image_of(table.segment))
    after = reopened(twin)
    Engine(twin, caller_key=KEY, worker=WORKER)
    assert after.writer.slots.held_up_by() == []
    assert after.writer.slots.empty(1) == after.writer.slots.leaving + 1
    give_slot_on(after)
    check_soundness(twin, after.writer.slots)


@pytest.mark.parametrize("ring_entries", [12, 124])
@pytest.mark.parametrize("spray", [NO_SPRAY, SPRAY], ids=["no-spray", "spray"])
@pytest.mark.parametrize("prepare", INSERTS)
def test_slot_is_not_given_on_under_an_insert(
    tmp_path: Path, prepare: Callable[[Segment], Insert], spray: Spray, ring_entries: int
) -> None:
    table = crowded_table(path := tmp_path / "segment", ring_entries=ring_entries, spray=spray)
    twin = crowded_table(None, [], ring_entries=ring_entries, spray=spray).segment
    held = 0
    with SteppedProcess(path, prepare) as worker:
        before = image_of(table.segment)
        others = {number: ring for number, ring in table.rings().items() if number != FIRST}
        accesses = sum(1 for _ in worker.accesses())
        accepted, untracked = worker.answer()
        assert (accepted >= 1, untracked) == (True, 0)
        rings = {number: table.rings()[number] for number in others}
        for stop in range(0, accesses + 1, STRIDE):
            put_image(table.segment, before)
            keeper = reopened(table.segment)
            slots, stops = keeper.writer.slots, worker.accesses()
            told = f"stop {stop} at {[*islice(stops, stop + 1)][-1:]}"
            leave(keeper, [FIRST])
            assert slots.part(1) == 1
            if is_under_way := inserting(table.segment, WORKER) > 0:
                held += 1
                assert slots.empty(1) == 0, told
                assert slots.held_up_by() == [WORKER], told
                killed_there(table, twin)
                assert sum(worker.answer()) == accepted, told
                assert slots.held_up_by() == [], told
            assert slots.empty(1) == 1, told
            give_slot_on(keeper)
            if not is_under_way:
                assert sum(worker.answer()) == accepted, told
            assert all_records(table.segment)["events_total"][0] == 0, told
            assert keeper.rings() == {**rings, NEW: []}, told
            check_soundness(table.segment, slots)
    print(f"{prepare.__name__}: accesses={accesses}, held={held}")
    assert 0 < held < accesses


@pytest.mark.parametrize("comes_back", [False, True])
@pytest.mark.parametrize("ring_entries", [12, 124])
@pytest.mark.parametrize("prepare", INSERTS)
def test_event_of_a_life_that_ended_under_it_counts_for_nothing(
    tmp_path: Path, prepare: Callable[[Segment], Insert], ring_entries: int, comes_back: bool
) -> None:
    there = CROWD[:5]  # so that it comes back to its own slot, which waits for nobody
    table = crowded_table(path := tmp_path / "segment", there, ring_entries=ring_entries)
    with SteppedProcess(path, prepare) as worker:
        before = image_of(table.segment)
        accesses = sum(1 for _ in worker.accesses())
        worker.answer()
        for stop in range(0, accesses + 1, STRIDE):
            put_image(table.segment, before)
            keeper = reopened(table.segment)
            told = f"stop {stop} at {[*islice(worker.accesses(), stop + 1)][-1:]}"
            leave(keeper, [FIRST])
            if comes_back:
                come_back(keeper, [FIRST])
            worker.answer()
            record = all_records(table.segment)[0]
            times = record["entries"] >> np.uint64(32)
            assert int(record["key"]) == FIRST, told
            if comes_back:
                assert not (times >= record["quarantined_at"]).any(), told
            else:
                assert not times.any(), told
    assert accesses > 10
