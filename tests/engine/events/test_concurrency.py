"""Several real processes on one segment: no event is lost, none is torn, whoever dies.

An entry proves itself: it can be checked against all that was sent. Seeds are fixed and printed.
"""

import os
import random
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from oracle import greatest
from support.engine import Engine
from support.small_table import KEY, NUMBERS, START, SmallTable, a_call, insert, make_table
from support.writing_processes import (
    FEW,
    STEPS,
    Columns,
    change_headers,
    entries_of,
    rising_events,
    send_events,
    send_in_step,
    start,
)

from ringfence.engine.answers import Unsettled
from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import State, Verdict

PROCESSES = 3
ROUNDS = int(os.environ.get("RINGFENCE_KILL_ROUNDS", "10"))
GENERATION_ONE = 1 << 8  # of a record's control word: set while a header changes


@pytest.fixture
def path() -> Iterator[Path]:
    """Where a segment is in production: in memory."""
    path = Path("/dev/shm") / f"ringfence-test-{os.getpid()}-{time.monotonic_ns()}"
    yield path
    path.unlink(missing_ok=True)


def send_at_once(path: Path, shares: list[Columns], turns: int = 1) -> None:
    """Inserts each share in a process of its own, all at once."""
    senders = [
        start(send_events, str(path), worker, share, turns) for worker, share in enumerate(shares)
    ]
    for _, line in senders:
        line.send("go")
    for process, line in senders:
        assert line.recv() == "done"
        process.join()
        assert process.exitcode == 0


def rings_of_oracle(events: Columns, ring_entries: int = 12) -> dict[int, list[int]]:
    """The rings that must come of these events."""
    entries = entries_of(events)
    return {
        number: sorted(greatest(set(entries[events[0] == number].tolist()), ring_entries))
        for number in np.unique(events[0]).tolist()
    }


def joined(shares: list[Columns]) -> Columns:
    """All events of several shares."""
    columns = zip(*shares, strict=True)
    called, caller, occurred_at, kind = (np.concatenate(column) for column in columns)
    return called, caller, occurred_at, kind


def reordered(columns: Columns, order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Columns:
    called, caller, occurred_at, kind = columns
    return called[order], caller[order], occurred_at[order], kind[order]


@pytest.mark.parametrize("ring_entries", [12, 60, 124, 252])
@pytest.mark.slow
def test_rings_written_by_several_processes_at_once_equal_the_oracles(
    path: Path, ring_entries: int
) -> None:
    table = make_table(path, numbers=FEW, ring_entries=ring_entries)
    shares = [rising_events(seed, 100, 100_000) for seed in range(PROCESSES)]
    send_at_once(path, shares)
    assert table.rings() == rings_of_oracle(joined(shares), ring_entries)
    records = table.engine.records()
    assert records["events_total"].sum() == PROCESSES * 100_000
    assert [c.accepted for c in table.segment.counters()[:PROCESSES]] == [100_000] * PROCESSES


@pytest.mark.parametrize("ring_entries", [60, 252])
@pytest.mark.slow
def test_processes_in_step_at_one_number_after_the_other_lose_no_event(
    path: Path, ring_entries: int
) -> None:
    numbers = list(range(447700900000, 447700900600))
    table = make_table(path, numbers=numbers, capacity_numbers=600, ring_entries=ring_entries)
    each = ring_entries // PROCESSES  # together they fill every ring, and displace nothing
    shares = [
        (
            np.repeat(np.array(numbers, np.uint64), each),
            np.zeros(600 * each, np.uint64),
            np.tile(START + np.arange(worker, ring_entries, PROCESSES), 600).astype(np.uint32),
            np.ones(600 * each, np.int32),
        )
        for worker in range(PROCESSES)
    ]
    steps = Path(f"{path}{STEPS}")
    steps.write_bytes(bytes(8 * PROCESSES))
    senders = [
        start(send_in_step, str(path), worker, share, each) for worker, share in enumerate(shares)
    ]
    for process, line in senders:
        assert line.recv() == "done"
        process.join()
    steps.unlink()
    assert table.rings() == rings_of_oracle(joined(shares), ring_entries)


@pytest.mark.parametrize("ring_entries", [60, 252])
def test_processes_that_send_the_same_events_make_no_entry_twice(
    path: Path, ring_entries: int
) -> None:
    table = make_table(path, numbers=FEW, ring_entries=ring_entries)
    events = rising_events(7, 100, 100_000)
    send_at_once(path, [events] * PROCESSES)
    assert table.rings() == rings_of_oracle(events, ring_entries)


def test_order_duplicates_and_shares_do_not_matter(path: Path) -> None:
    seed = 4
    print(f"seed={seed}")
    shuffle = np.random.default_rng(seed)
    events = rising_events(seed, 100, 20_000)
    alone = make_table(numbers=FEW)
    alone.engine.insert(*events, now=START + 10**6)
    together = make_table(path, numbers=FEW)
    every = np.arange(20_000)
    twice = shuffle.permutation(np.concatenate([every, shuffle.choice(every, 10_000)]))
    shares = [reordered(events, order) for order in np.array_split(twice, PROCESSES)]
    send_at_once(path, shares, turns=2)
    assert together.rings() == alone.rings() == rings_of_oracle(events)
    assert together.engine.state_hash() == alone.engine.state_hash()


def watch(table: SmallTable, sent: npt.NDArray[np.uint64], events: int) -> None:
    """Sees only entries that were sent; returns in the middle of a batch, after so many events."""
    deadline = time.monotonic() + 60
    records = table.engine.records()
    while int(records["events_total"].sum()) < events:
        assert_sent(records["entries"], sent)
        assert time.monotonic() < deadline, "the senders do not come forward"


def assert_sent(entries: npt.NDArray[np.uint64], sent: npt.NDArray[np.uint64]) -> None:
    """Every entry is one of those sent, which are sorted; an empty slot is 0."""
    seen = entries[entries != 0]
    found = sent[np.minimum(np.searchsorted(sent, seen), sent.size - 1)]
    assert (found == seen).all(), f"torn: {[hex(entry) for entry in seen[found != seen].tolist()]}"


@pytest.mark.slow
@pytest.mark.parametrize("ring_entries", [12, 124])
def test_killed_senders_leave_only_whole_entries_that_were_sent(
    path: Path, ring_entries: int
) -> None:
    seed = 11
    print(f"seed={seed}, rounds={ROUNDS}")
    chance = random.Random(seed)
    table = make_table(path, ring_entries=ring_entries)
    bystander = a_call(NUMBERS[-1], 5, caller=0)
    insert(table.engine, [bystander])
    headers = header_bytes(table)
    sent: list[Columns] = []
    for turn in range(ROUNDS):
        shares = [rising_events(1000 + 2 * turn + i, 1000 * turn, 8000) for i in range(2)]
        sent += shares
        entry = np.uint64((START + 5) << 32 | bystander[3])
        possible = np.unique(np.append(entries_of(joined(sent)), entry))
        assert possible.dtype == np.uint64
        senders = [
            start(send_events, str(path), worker, share, 10**9)
            for worker, share in enumerate(shares)
        ]
        before = int(table.engine.records()["events_total"].sum())
        for _, line in senders:
            line.send("go")
        watch(table, possible, before + chance.randrange(1, 12_000))
        for process, _ in senders:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            assert process.exitcode == -signal.SIGKILL
        assert_sent(table.engine.records()["entries"], possible)
        assert all(len(set(ring)) == len(ring) for ring in table.rings().values())
        assert header_bytes(table) == headers
        assert [entry >> 32 for entry in table.rings()[NUMBERS[-1]]] == [START + 5]
    everything = joined(sent)
    table.engine.insert(*everything, now=START + 10**6)
    assert {n: r for n, r in table.rings().items() if n in FEW} == rings_of_oracle(
        everything, ring_entries
    )


def header_bytes(table: SmallTable) -> list[tuple[int, ...]]:
    """The fields that only the keeper writes."""
    names = ["key", "control", "quarantined_at", "override_at", "origin"]
    return [tuple(int(row[name]) for name in names) for row in table.engine.records()]


def control_at(table: SmallTable, number: int) -> int:
    """Where the control word of a number is in the segment."""
    view = table.segment.view()
    return bytes(view).index(struct.pack("<QQ", number, _control(table, number))) + 8


def _control(table: SmallTable, number: int) -> int:
    records = table.engine.records()
    return int(records["control"][records["key"] == number][0])


def make_odd(table: SmallTable, number: int) -> None:
    """Leaves a header as a writer does that dies in the middle of changing it."""
    at = control_at(table, number)
    odd = _control(table, number) + GENERATION_ONE
    table.segment.view()[at : at + 8] = struct.pack("<Q", odd)


def test_header_in_mid_change_is_unsettled_for_questions_and_tracked_for_events() -> None:
    table = make_table()
    make_odd(table, NUMBERS[0])
    with pytest.raises(Unsettled):
        table.engine.check(np.array(NUMBERS, np.uint64), now=START)
    with pytest.raises(Unsettled):
        table.engine.explain(NUMBERS[0], now=START)
    assert table.engine.explain(NUMBERS[1], now=START) is not None
    assert insert(table.engine, [a_call()]).accepted == 1
    found, _ = table.engine.select(0, now=START, numbers_max=100, records_max=100)
    assert sorted(found) == NUMBERS[1:]


@pytest.mark.parametrize(
    "state", [State.QUARANTINED, State.HELD, State.RESERVED, State.ASSIGNED, State.RETIRED]
)
def test_next_writer_settles_a_header_in_mid_change_as_it_was(state: State) -> None:
    table = make_table()
    insert(table.engine, [a_call()])
    table.writer.set_override(NUMBERS[0], START + 3)
    table.writer.set_state(NUMBERS[0], state, since=START + 10)
    before, rings = table.writer.header(NUMBERS[0]), table.rings()
    make_odd(table, NUMBERS[0])
    del table.writer
    writer = TableWriter(table.segment)
    assert writer.header(NUMBERS[0]) == before
    assert table.rings() == rings
    assert table.engine.explain(NUMBERS[0], now=START) is not None


@pytest.mark.slow
def test_killed_writer_leaves_what_the_next_one_repairs(path: Path) -> None:
    seed = 12
    print(f"seed={seed}, rounds={ROUNDS}")
    chance = random.Random(seed)
    numbers = list(range(447700900000, 447700901000))
    table = make_table(path, numbers=[], capacity_numbers=1000)
    del table.writer
    known = 0
    for turn in range(ROUNDS):
        process, line = start(change_headers, str(path), numbers, START + turn * 10**6)
        line.send("go")
        assert line.recv() == "changing"
        time.sleep(chance.random() * 0.002)  # anywhere in its work
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        writer = TableWriter(table.segment)
        table.engine = Engine(table.segment, caller_key=KEY)
        records = table.engine.records()
        assert not (records["control"] & np.uint64(GENERATION_ONE)).any()
        found = records["key"].tolist()
        assert found == numbers[: len(found)]
        assert len(found) == table.segment.numbers >= known
        known = len(found)
        verdicts, _ = table.engine.check(np.array(numbers, np.uint64), now=START + 10**9)
        assert set(verdicts[known:].tolist()) <= {Verdict.UNTRACKED}
        del writer
    assert known > 0
    table.writer = TableWriter(table.segment)
    again = [n for n in numbers if (h := table.writer.header(n)) is None or h.state > 3]
    assert set(table.quarantine(again, START + 10**9)) <= {0}
    assert table.segment.numbers == 1000
    later = [(number, 0, START + 10**9 + 5, 1) for number in numbers]
    assert insert(table.engine, later, START + 10**9 + 5).accepted == 1000


def test_segment_file_can_go_while_it_is_mapped(path: Path) -> None:
    table = make_table(path)
    other = Engine(Segment.open(path), caller_key=KEY)
    path.unlink()
    insert(other, [a_call()])
    assert len(table.rings()[NUMBERS[0]]) == 1
