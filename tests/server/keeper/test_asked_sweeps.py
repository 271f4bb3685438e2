"""Sweeps that are asked for: one serves all who wait, and those who have left cost nothing."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.scanning import LONG_S, Listener, scanning
from support.small_table import NUMBERS, START, a_call, insert, make_table

from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.verdict.question_scan import QuestionScan
from ringfence.engine.verdict.sweep_sums import ScanStep
from ringfence.server.keeper.queue import asked_sweeps, scan_result
from ringfence.server.keeper.queue import scanner as scanner_module
from ringfence.server.keeper.queue.scanner import Scanner
from ringfence.server.link.refusal import Refusal

GATE_S = 20.0


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner_module, "RECORDS_A_STEP_ASKED", 3)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Keeps sweeps that are asked for from their first step on until it is open."""
    opened = threading.Event()

    class GatedScan(QuestionScan):
        def step(self, *given: Any, **named: Any) -> ScanStep:
            assert opened.wait(GATE_S)
            return super().step(*given, **named)

    monkeypatch.setattr(scanner_module, "QuestionScan", GatedScan)
    yield opened
    opened.set()


async def have_left(*waiting: "asyncio.Task[Any]") -> None:
    """Cancels those who wait, and waits until they have left."""
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def test_sweep_asked_for_finds_the_oldest_and_when_the_next_one_is_clean() -> None:
    table = make_table()
    insert(table.engine, [a_call(NUMBERS[0], 990), a_call(NUMBERS[7], 995)])

    async def act(scanner: Scanner, _: Listener) -> None:
        every = await scanner.sweep(0)
        assert every.began_at == START + 1000
        assert every.clean.count == 6
        assert every.clean.oldest.tolist() == NUMBERS[1:7]  # more than a queue holds
        assert every.next_clean_at == START + 1090
        one = await scanner.sweep(0, str(NUMBERS[7]))
        assert (one.clean.count, one.next_clean_at) == (0, START + 1095)
        other = await scanner.sweep(3)
        assert (other.clean.count, other.next_clean_at) == (0, 0)
        with pytest.raises(ValueError, match="prefix: value='x'"):
            await scanner.sweep(0, "x")

    scanning(table, act, period_s=LONG_S)


def test_equal_questions_share_a_sweep_that_begins_after_all_of_them() -> None:
    table = make_table()

    async def act(scanner: Scanner, _: Listener) -> None:
        first, second, other = await asyncio.gather(
            scanner.sweep(0), scanner.sweep(0), scanner.sweep(0, "4")
        )
        assert first is second
        assert other is not first

    scanning(table, act, period_s=LONG_S)


def test_question_is_not_answered_by_a_sweep_that_has_begun() -> None:
    table = make_table()

    async def act(scanner: Scanner, _: Listener) -> None:
        later: list[asyncio.Task[object]] = []

        def now() -> int:  # the sweep that was asked for is just beginning
            if scanner._asked._under_way and not later:
                later.append(asyncio.create_task(scanner.sweep(0)))
            return START

        scanner._now = now
        first = await scanner.sweep(0)
        assert later
        assert await later[0] is not first

    scanning(table, act, period_s=LONG_S)


def test_caller_that_gives_up_leaves_the_sweep_to_the_others() -> None:
    table = make_table()

    async def act(scanner: Scanner, _: Listener) -> None:
        impatient, patient = (asyncio.create_task(scanner.sweep(0)) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await patient).clean.count == 8
        assert impatient.cancelled()

    scanning(table, act, period_s=LONG_S)


def test_one_sweep_serves_all_who_wait_whatever_they_ask() -> None:
    table = make_table()
    asked = [(pool, prefix) for pool in range(30) for prefix in ("", "44", str(NUMBERS[2]), "5")]

    async def act(scanner: Scanner, listener: Listener) -> None:
        found = await asyncio.gather(*(scanner.sweep(*each) for each in asked * 2))
        assert [sweep.clean.count for sweep in found[:4]] == [8, 8, 1, 0]
        assert {sweep.clean.count for sweep in found[4 : len(asked)]} == {0}
        assert listener.asked == [[Question(*each) for each in asked]]
        assert listener.answered == [{Question(*each) for each in asked}]

    scanning(table, act, period_s=LONG_S)


def test_questions_of_those_who_have_left_are_not_answered(gate: threading.Event) -> None:
    async def act(scanner: Scanner, listener: Listener) -> None:
        first = asyncio.create_task(scanner.sweep(0))
        await listener.asked_sweeps_begun(1)
        leaving = [asyncio.create_task(scanner.sweep(0, str(n))) for n in range(1, 500)]
        staying = asyncio.create_task(scanner.sweep(0, "44"))
        await asyncio.sleep(0)
        await have_left(*leaving)
        gate.set()
        assert (await first).clean.count == (await staying).clean.count == 8
        assert listener.asked == [[Question(0)], [Question(0, "44")]]

    scanning(make_table(), act, period_s=LONG_S)


def test_sweep_for_which_nobody_waits_any_more_is_given_up(gate: threading.Event) -> None:
    async def act(scanner: Scanner, listener: Listener) -> None:
        leaving = [asyncio.create_task(scanner.sweep(0)) for _ in range(3)]
        await listener.asked_sweeps_begun(1)
        await have_left(*leaving)
        staying = asyncio.create_task(scanner.sweep(0))
        await asyncio.sleep(0)
        gate.set()
        assert (await staying).clean.count == 8
        assert listener.answered == [set(), {Question(0)}]

    scanning(make_table(), act, period_s=LONG_S)


def test_number_of_those_who_wait_is_bounded(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked_sweeps, "WAITING_MAX", 3)

    async def act(scanner: Scanner, listener: Listener) -> None:
        waiting = [asyncio.create_task(scanner.sweep(0, prefix)) for prefix in ("", "4", "4")]
        await listener.asked_sweeps_begun(1)
        with pytest.raises(Refusal, match="waiting for a sweep: value=4, bound=3") as caught:
            await scanner.sweep(0)
        assert caught.value.reason == "KEEPER"
        await have_left(waiting.pop())
        waiting.append(asyncio.create_task(scanner.sweep(0, "44")))
        gate.set()
        assert [sweep.clean.count for sweep in await asyncio.gather(*waiting)] == [8, 8, 8]

    scanning(make_table(), act, period_s=LONG_S)


def test_those_with_a_prefix_are_found_in_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_result, "BRIEF_DEPTH", 2)

    async def act(scanner: Scanner, _: Listener) -> None:
        sweep = await scanner.sweep(0, "44")
        assert (sweep.clean.count, sweep.is_whole) == (8, False)
        assert sweep.clean.oldest.tolist() == NUMBERS[:2]
        assert sweep.clean.clean_at.tolist() == sweep.clean.oldest_at.tolist() == [START] * 2
        assert (await scanner.sweep(0, str(NUMBERS[3]))).is_whole

    scanning(make_table(), act, period_s=LONG_S)


def test_question_is_there_when_the_scanner_is_woken_for_it() -> None:
    seen: list[bool] = []
    asked = asked_sweeps.AskedSweeps(lambda: seen.append(asked.asked))

    async def leave() -> None:
        waiting = asyncio.create_task(asked.ask(Question(0)))
        await asyncio.sleep(0)
        await have_left(waiting)

    asyncio.run(leave())
    assert seen == [True]
    assert not asked.asked
