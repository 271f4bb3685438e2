"""The scanner: what it tells its listener, which changes count, sweeps that are asked for."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support.scanning import TIMEOUT_S, Changes, Listener, an_array, scanning, told
from support.small_table import NUMBERS, START, SmallTable, a_call, insert, make_table

from ringfence.engine.verdict.scan import CANDIDATE, TableScan
from ringfence.engine.verdict.sweep_sums import SweepSums
from ringfence.engine.words import State, Verdict
from ringfence.server.keeper.queue import scanner as scanner_module
from ringfence.server.keeper.queue.scan_result import PoolGatherings, PoolSweep, Scan
from ringfence.server.keeper.queue.scanner import Scanner, ScannerStopped
from ringfence.server.keeper.queue.seen_verdicts import SeenVerdicts


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three records a step; and nothing is left when a test is over."""
    monkeypatch.setattr(scanner_module, "RECORDS_A_STEP", 3)
    monkeypatch.setattr(scanner_module, "RECORDS_A_STEP_ASKED", 3)
    yield
    assert [thread for thread in threading.enumerate() if thread.name == "scanner"] == []


def test_whole_sweep_says_what_the_table_holds() -> None:
    table = make_table()
    insert(table.engine, [a_call(NUMBERS[0], 990)])
    table.writer.set_state(NUMBERS[1], State.HELD, since=START)

    async def act(scanner: Scanner, listener: Listener) -> None:
        await listener.next_scan()
        assert scanner.newest is listener.scans[-1]

    scan = scanning(table, act).scans[-1]
    assert scan.began_at == START + 1000
    sums = TableScan(table.segment).count(now=START + 1000)
    assert np.array_equal(scan.by_verdict, sums.by_verdict)
    assert scan.by_verdict[0, Verdict.CLEAN] == 6
    assert scan.forecast[0].tolist() == [1, *[0] * 399]
    assert scan.next_clean_at[0] == START + 1090
    clean = scan.clean_numbers(0)
    assert clean.count == 6
    assert clean.clean_at.tolist() == [START] * 6
    assert clean.oldest.tolist() == NUMBERS[2:7]  # of six, the five that a queue holds
    assert clean.oldest_at.tolist() == [START] * 5
    assert scan.clean_numbers(1).count == 0
    for array in (scan.by_verdict, scan.forecast, clean.clean_at, clean.oldest):
        assert not array.flags.writeable


def test_first_sweep_reports_no_change_and_later_ones_each_change_once() -> None:
    table = make_table()

    async def act(_: Scanner, listener: Listener) -> None:
        await listener.next_scan()
        assert listener.changes == []
        insert(table.engine, [a_call(NUMBERS[4], 990)])
        await listener.next_scan()
        assert listener.changes == [(NUMBERS[4], Verdict.CLEAN, Verdict.NOISY)]
        await listener.next_scan()
        table.writer.set_state(NUMBERS[4], State.FREE, since=START)
        await listener.next_scan()

    assert scanning(table, act).changes == [
        (NUMBERS[4], Verdict.CLEAN, Verdict.NOISY),
        (NUMBERS[4], Verdict.NOISY, Verdict.UNTRACKED),
    ]


def test_change_that_a_command_made_is_not_reported_again() -> None:
    table = make_table()

    async def act(scanner: Scanner, listener: Listener) -> None:
        await listener.next_scan()
        for state, verdict in ((State.HELD, Verdict.HELD), (State.QUARANTINED, Verdict.CLEAN)):
            table.writer.set_state(NUMBERS[2], state, since=START)
            scanner.touched(an_array(NUMBERS[2], 447700900777), verdict)
            await listener.next_scan()

    assert scanning(table, act).changes == []


def test_command_before_a_step_does_not_hide_what_that_step_finds() -> None:
    table = make_table()
    sweeps: list[int] = []

    class Commanding(Listener):
        def verdicts_changed(self, changes: Changes, at: int) -> None:
            super().verdicts_changed(changes, at)
            sweeps.extend([self.began] * (len(self.changes) - len(sweeps)))
            if len(sweeps) == 1:  # the last number is in a later step of this sweep
                self.scanner.touched(an_array(NUMBERS[7]), Verdict.CLEAN)

    async def act(_: Scanner, listener: Listener) -> None:
        await listener.next_scan()
        listener.on_begin = lambda: insert(
            table.engine, [a_call(NUMBERS[0], 990), a_call(NUMBERS[7], 990)]
        )
        await listener.next_scan()

    assert len(scanning(table, act, listening=Commanding).changes) == 2
    assert sweeps == [sweeps[0]] * 2


def test_change_that_is_not_settled_is_found_again() -> None:
    table = make_table()

    async def act(_: Scanner, listener: Listener) -> None:
        await listener.next_scan()
        listener.leaves = True
        insert(table.engine, [a_call(NUMBERS[4], 990)])
        await listener.next_scan()
        assert set(listener.left) == {(NUMBERS[4], Verdict.CLEAN, Verdict.NOISY)}
        listener.leaves = False
        await listener.next_scan()

    assert scanning(table, act).changes == [(NUMBERS[4], Verdict.CLEAN, Verdict.NOISY)]


def test_what_a_sweep_found_is_taken_over_in_steps_with_turns_for_others_between() -> None:
    turns: list[int] = []  # of somebody else, before each step

    class Stepping(Listener):
        turn = 0

        def sweep_ended(self, scan: Scan) -> Iterator[None]:
            for _ in range(4):
                assert threading.current_thread() is threading.main_thread()
                turns.append(self.turn)
                yield
            yield from super().sweep_ended(scan)

    async def act(_: Scanner, listener: Listener) -> None:
        assert isinstance(listener, Stepping)
        while not listener.scans:
            listener.turn += 1
            await asyncio.sleep(0)

    scanning(make_table(), act, listening=Stepping)
    assert turns[0] < turns[1] < turns[2] < turns[3]


def test_changes_of_a_step_are_told_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner_module, "RECORDS_A_STEP", 8)
    monkeypatch.setattr(scanner_module, "CHANGES_A_TURN", 3)
    table = make_table()
    parts: list[int] = []

    class Counting(Listener):
        def verdicts_changed(self, changes: Changes, at: int) -> None:
            parts.append(len(changes))
            super().verdicts_changed(changes, at)

    async def act(_: Scanner, listener: Listener) -> None:
        await listener.next_scan()
        for number in NUMBERS:
            table.writer.set_state(number, State.HELD, since=START)
        await listener.next_scan()

    found = scanning(table, act, listening=Counting)
    assert [number for number, _, _ in found.changes] == NUMBERS
    assert max(parts) == 3


def test_what_a_sweep_has_freed_is_given_back_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[str] = []

    def note() -> None:
        threads.append(threading.current_thread().name)

    monkeypatch.setattr(scanner_module, "give_back_freed", note)

    async def act(scanner: Scanner, listener: Listener) -> None:
        await listener.next_scan()
        await scanner.sweep(0)

    scanning(make_table(), act)
    assert len(threads) >= 2
    assert set(threads) == {"scanner"}


def test_scanner_that_stops_tells_those_who_wait() -> None:
    async def run() -> None:
        listener = Listener()
        scanner = Scanner(make_table().segment, listener, now=lambda: START)
        with pytest.raises(ScannerStopped):
            await scanner.sweep(0)
        scanner.start()
        waiting = [asyncio.create_task(scanner.sweep(pool)) for pool in range(50)]
        await asyncio.sleep(0)
        await scanner.stop()
        async with asyncio.timeout(TIMEOUT_S):
            answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(answer, (ScannerStopped, PoolSweep)) for answer in answers)
        assert isinstance(waiting[-1].exception(), ScannerStopped)
        with pytest.raises(ScannerStopped):
            await scanner.sweep(0)

    asyncio.run(run())


def test_sweep_that_fails_is_given_up_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = make_table()

    async def act(_: Scanner, listener: Listener) -> None:
        await listener.next_scan()

        def fail() -> None:
            listener.on_begin = lambda: None
            raise RuntimeError("the listener is at fault")

        listener.on_begin = fail
        await listener.next_scan()
        await listener.next_scan()

    with caplog.at_level(logging.ERROR):
        listener = scanning(table, act)
    assert "sweep given up: RuntimeError: the listener is at fault" in caplog.text
    assert listener.began > len(listener.scans)


def test_numbers_that_come_while_it_sweeps_are_swept() -> None:
    table = make_table()

    async def act(scanner: Scanner, listener: Listener) -> None:
        await listener.next_scan()
        table.quarantine([447700900100])
        scanner.touched(an_array(447700900100), Verdict.CLEAN)
        scan = await listener.next_scan()
        assert scan.clean_numbers(0).count == 9
        insert(table.engine, [a_call(447700900100, 999)])
        await listener.next_scan()

    assert scanning(table, act).changes == [(447700900100, Verdict.CLEAN, Verdict.NOISY)]


def test_clean_numbers_of_a_thousand_pools_are_gathered_each_for_itself() -> None:
    seed = 5
    print(f"seed={seed}")
    dice = np.random.default_rng(seed)
    rows = np.zeros(30_000, CANDIDATE)
    rows["number"] = dice.permutation(rows.size) + 999_000_000_000
    rows["clean_at"] = START + dice.integers(0, 9, rows.size)
    rows["pool"] = np.where(dice.random(rows.size) < 0.5, 7, dice.integers(0, 1000, rows.size))
    rows["pool"][::5] = 8  # and in this one hardly any two are equal
    rows["clean_at"][::5] = START + dice.integers(0, 10**6, rows.size // 5)
    gatherings = PoolGatherings(depth=50)
    for part in np.array_split(rows, 11):
        gatherings.add(part)
    found = dict(gatherings.found())
    assert sorted(found) == np.unique(rows["pool"]).tolist()
    for pool, clean in found.items():
        mine = np.sort(rows[rows["pool"] == pool], order=["clean_at", "number"])
        assert np.array_equal(clean.clean_at, mine["clean_at"])
        assert np.array_equal(clean.oldest, mine["number"][:50])
        assert np.array_equal(clean.oldest_at, mine["clean_at"][:50])


class HistoryMachine(RuleBasedStateMachine):
    """Commands, events and steps in any order: what is reported of a number is a chain, in which
    each verdict is where the one before it ended.
    """

    @initialize()
    def begin(self) -> None:
        self.table = make_table(numbers=NUMBERS[:3])
        self.now = START + 1000
        self.scan = TableScan(self.table.segment)
        self.seen = SeenVerdicts(self.scan)
        self.said: dict[int, Verdict] = dict.fromkeys(NUMBERS[:3], Verdict.CLEAN)
        self.step: Changes | None = None
        self.step_begins()
        self.step_is_settled(set())

    @rule(number=st.sampled_from(NUMBERS[:3]), state=st.sampled_from(list(State)[1:]))
    def command(self, number: int, state: State) -> None:
        """It says what it makes of the number; its record is in the history already."""
        self.table.writer.set_state(number, state, since=self.now + 50)
        verdict, _ = self.table.engine.check(an_array(number), now=self.now)
        self.seen.touch(an_array(number), verdict)
        self.said[number] = Verdict(verdict[0])

    @rule(number=st.sampled_from(NUMBERS[:3]))
    def event(self, number: int) -> None:
        insert(self.table.engine, [(number, 0, self.now, 1)], now=self.now)

    @rule(later_s=st.integers(1, 120))
    def time_passes(self, later_s: int) -> None:
        self.now += later_s

    @precondition(lambda self: self.step is None)
    @rule()
    def step_begins(self) -> None:
        self.seen.begin_step()
        seen = self.seen.verdicts
        self.step = self.scan.step(
            0, now=self.now, records_max=9, sums=SweepSums(), seen=seen
        ).changes

    @precondition(lambda self: self.step is not None)
    @rule(left=st.sets(st.integers(0, 2), max_size=1))
    def step_is_settled(self, left: set[int]) -> None:
        assert self.step is not None
        taken = self.step[~np.isin(self.step["record"], list(left))]
        for number, previous, current in told(self.seen.settle(taken)):
            assert self.said[number] == previous != current
            self.said[number] = current
        self.seen.end_step()
        self.step = None

    @precondition(lambda self: self.step is None)
    @rule()
    def nothing_is_left_out(self) -> None:
        self.step_begins()
        self.step_is_settled(set())
        verdicts, _ = self.table.engine.check(an_array(*NUMBERS[:3]), now=self.now)
        assert [self.said[number] for number in NUMBERS[:3]] == verdicts.tolist()


HistoryMachine.TestCase.settings = settings(max_examples=50, deadline=None)
test_history_of_a_number_is_a_chain = pytest.mark.slow(HistoryMachine.TestCase)


@pytest.fixture
def seen() -> tuple[SmallTable, SeenVerdicts, Callable[[], Changes]]:
    """A table all of whose numbers were seen CLEAN, and how a step of a sweep begins."""
    table = make_table()
    scan = TableScan(table.segment)
    seen = SeenVerdicts(scan)

    def step() -> Changes:
        seen.begin_step()
        verdicts = seen.verdicts
        return scan.step(
            0, now=START + 1000, records_max=9, sums=SweepSums(), seen=verdicts
        ).changes

    seen.settle(step())
    return table, seen, step


Seen = tuple[SmallTable, SeenVerdicts, Callable[[], Changes]]


def test_change_of_a_number_that_a_command_took_meanwhile_does_not_count(seen: Seen) -> None:
    table, verdicts, step = seen
    insert(table.engine, [a_call(NUMBERS[0], 990), a_call(NUMBERS[1], 990)])
    changes = step()
    table.writer.set_state(NUMBERS[0], State.HELD, since=START)
    verdicts.touch(an_array(NUMBERS[0]), Verdict.HELD)
    assert told(verdicts.settle(changes)) == [(NUMBERS[1], Verdict.CLEAN, Verdict.NOISY)]
    assert told(verdicts.settle(step())) == []


def test_command_that_was_seen_and_taken_back_before_it_was_settled_leaves_no_trace(
    seen: Seen,
) -> None:
    table, verdicts, step = seen
    table.writer.set_state(NUMBERS[0], State.HELD, since=START)
    changes = step()  # it meets the header before the keeper has said that it wrote it
    assert told(changes) == [(NUMBERS[0], Verdict.CLEAN, Verdict.HELD)]
    verdicts.touch(an_array(NUMBERS[0]), Verdict.HELD)
    table.writer.set_state(NUMBERS[0], State.QUARANTINED, since=START)
    verdicts.touch(an_array(NUMBERS[0]), np.array([Verdict.CLEAN], np.uint8))
    assert told(verdicts.settle(changes)) == []
    assert told(verdicts.settle(step())) == []


def test_command_of_an_earlier_step_does_not_hide_what_comes_after_it(seen: Seen) -> None:
    table, verdicts, step = seen
    step()
    verdicts.touch(an_array(NUMBERS[0]), Verdict.CLEAN)
    insert(table.engine, [a_call(NUMBERS[0], 990)])
    assert told(verdicts.settle(step())) == [(NUMBERS[0], Verdict.CLEAN, Verdict.NOISY)]


def test_changes_cannot_be_settled_when_their_step_is_over(seen: Seen) -> None:
    _, verdicts, step = seen
    changes = step()
    verdicts.end_step()
    with pytest.raises(ValueError, match="changes: step=over"):
        verdicts.settle(changes)
