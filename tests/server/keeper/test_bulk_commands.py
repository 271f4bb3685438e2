"""Bulk commands give others their turn, and are as whole as small ones all the same."""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from support.keeper_inside import NOW, journal, run

from ringfence.engine.memory.segment import Segment
from ringfence.engine.words import State
from ringfence.server.journal.keeper_values import keeper_values
from ringfence.server.keeper.numbers import looked_at
from ringfence.server.keeper.numbers.looked_at import NUMBERS_A_SLICE, look
from ringfence.server.link.refusal import Refusal
from ringfence.server.state.keeper_state import ROWS_A_SLICE

__all__ = ["journal"]  # a fixture

FIRST = 999_000_000_000
BULK = NUMBERS_A_SLICE + 2_000
CAPACITY = 3 * BULK
DAY_S = 86_400
TIMEOUT_S = 60.0


@pytest.fixture
def segment():
    """A table with room for a few bulk commands."""
    return Segment.create(None, capacity_numbers=CAPACITY)


def numbers(count, first=FIRST):
    return range(first, first + count)


def bulk(segment, journal, use):
    """With a keeper whose numbers are clean as soon as they are there."""

    async def bounded(inside):
        rules = [{"measure": 1, "limit": 0, "window": {"seconds": 10}}]
        await inside.ask("PutPolicy", policy={"name": "brisk", "rules": rules})
        await inside.ask("PutPool", pool={"name": "brisk", "policy": "brisk"})
        async with asyncio.timeout(TIMEOUT_S):
            await use(inside)

    run(segment, journal, bounded)


async def quarantine(inside, asked, **fields):
    since = [NOW - 9 * DAY_S]
    times = {"quarantined_at": since, "observed_since": since}
    return await inside.ask("QuarantineNumbers", numbers=asked, pool="brisk", **times, **fields)


def begun(inside, method, **fields):
    return asyncio.create_task(inside.ask(method, **fields))


async def until(holds):
    while not holds():  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(0)


@asynccontextmanager
async def being_looked_at(inside, monkeypatch, **fields):
    """A bulk hold that is looked at, and not to its end as long as this lasts."""
    gate = threading.Event()

    def look_and_wait(*sight):
        looked = look(*sight)
        seen.set()
        gate.wait(TIMEOUT_S)
        return looked

    seen = threading.Event()
    monkeypatch.setattr(looked_at, "look", look_and_wait)
    hold = begun(inside, "HoldNumbers", actor="bulk", numbers=numbers(BULK), **fields)
    await until(seen.is_set)
    monkeypatch.setattr(looked_at, "look", look)
    try:
        yield hold
    finally:
        gate.set()
    await hold


def commands(journal, after):
    return [(value.command, value.actor) for _, value in keeper_values(journal, after)]


def states(inside, asked):
    return {int(inside.writer.header(number).state) for number in asked}


def test_the_command_of_another_is_decided_before_the_bulk_commands_that_wait(segment, journal):
    """While the disk keeps all of them waiting."""

    async def use(inside):
        await quarantine(inside, numbers(BULK))
        await inside.ask("QuarantineNumbers", numbers=[FIRST + BULK], pool="brisk")
        before, gate = journal.last, threading.Event()
        journal.after_commit(lambda: journal.last > before and gate.wait(TIMEOUT_S) and None)
        held = [begun(inside, "HoldNumbers", actor="bulk", numbers=numbers(BULK)) for _ in range(9)]
        await until(lambda: len(inside.keeper.state.pending._pending) == 1)
        held.append(begun(inside, "HoldNumbers", actor="small", numbers=[FIRST + BULK]))
        await until(lambda: len(inside.keeper.state.pending._pending) == 2)
        held.append(begun(inside, "HoldNumbers", actor="other", numbers=numbers(BULK)))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*held)
        actors = [actor for _, actor in commands(journal, before)]
        assert actors == ["bulk", "small", "other", *["bulk"] * 8]

    bulk(segment, journal, use)


def test_commands_about_other_numbers_are_decided_while_a_bulk_command_is_looked_at(
    segment, journal, monkeypatch
):
    async def use(inside):
        await quarantine(inside, numbers(BULK + 1))
        before = journal.last
        async with being_looked_at(inside, monkeypatch):
            await inside.ask("HoldNumbers", actor="small", numbers=[FIRST + BULK])
        assert commands(journal, before) == [("HoldNumbers", "small"), ("HoldNumbers", "bulk")]
        assert states(inside, numbers(BULK + 1)) == {State.HELD}

    bulk(segment, journal, use)


def test_commands_about_its_numbers_and_about_settings_wait_for_a_bulk_command(
    segment, journal, monkeypatch
):
    async def use(inside):
        await quarantine(inside, numbers(BULK))
        before = journal.last
        async with being_looked_at(inside, monkeypatch):
            waiting = [
                begun(inside, "UnholdNumbers", numbers=[FIRST]),
                begun(inside, "PutPool", pool={"name": "new", "policy": "brisk"}),
            ]
            await asyncio.sleep(0.1)
            assert journal.last == before
        await asyncio.gather(*waiting)
        assert {name for name, _ in commands(journal, before)[1:]} == {"UnholdNumbers", "PutPool"}
        assert commands(journal, before)[0] == ("HoldNumbers", "bulk")
        assert states(inside, [FIRST]) == {State.QUARANTINED}

    bulk(segment, journal, use)


def test_bulk_command_that_is_repeated_while_it_is_looked_at_is_done_once(
    segment, journal, monkeypatch
):
    async def use(inside):
        await quarantine(inside, numbers(BULK))
        before = journal.last
        async with being_looked_at(inside, monkeypatch, command_id="one") as hold:
            asked = {"actor": "bulk", "command_id": "one", "numbers": numbers(BULK)}
            again = begun(inside, "HoldNumbers", **asked)
            await asyncio.sleep(0.1)
        assert await again == await hold
        assert len(commands(journal, before)) == 1

    bulk(segment, journal, use)


def test_bulk_command_that_is_given_up_while_it_is_looked_at_takes_nothing(
    segment, journal, monkeypatch
):
    async def use(inside):
        await quarantine(inside, numbers(BULK))
        before = journal.last
        with pytest.raises(asyncio.CancelledError):
            async with being_looked_at(inside, monkeypatch) as hold:
                hold.cancel()
        answer = await inside.ask("HoldNumbers", numbers=numbers(BULK))
        assert len(answer.changed) == BULK
        assert len(commands(journal, before)) == 1
        await inside.ask("PutPool", pool={"name": "new", "policy": "brisk"})

    bulk(segment, journal, use)


@pytest.mark.parametrize("ends", ["ConfirmReservation", "CancelReservation", "lease"])
def test_reservation_that_ends_while_its_numbers_are_looked_at_is_seen(
    segment, journal, monkeypatch, ends
):
    async def use(inside):
        await quarantine(inside, numbers(BULK))
        made = await inside.ask("ReserveNumbers", pool="brisk", count=10)
        reserved = list(made.numbers)
        async with being_looked_at(inside, monkeypatch) as hold:
            if ends == "lease":
                inside.now += 3_600
                await inside.ask("ListReservations")
            else:
                await inside.ask(ends, id=made.id)
        assert len((await hold).changed) == BULK - 10 * (ends == "ConfirmReservation")
        left = State.ASSIGNED if ends == "ConfirmReservation" else State.HELD
        assert states(inside, reserved) == {left}
        kept = await inside.ask("GetReservation", id=made.id)
        assert list(kept.numbers) == reserved

    bulk(segment, journal, use)


def test_reservation_that_is_about_to_end_is_waited_for(segment, journal, monkeypatch):
    async def use(inside):
        await quarantine(inside, numbers(BULK))
        made = await inside.ask("ReserveNumbers", pool="brisk", count=10)
        before, gate = journal.last, threading.Event()
        journal.after_commit(lambda: journal.last > before and gate.wait(TIMEOUT_S) and None)
        async with being_looked_at(inside, monkeypatch) as hold:
            confirmed = begun(inside, "ConfirmReservation", id=made.id)
            await until(lambda: inside.keeper.state.pending._pending)
            asyncio.get_running_loop().call_later(0.2, gate.set)
        await confirmed
        assert len((await hold).changed) == BULK - 10
        assert states(inside, made.numbers) == {State.ASSIGNED}

    bulk(segment, journal, use)


def test_numbers_that_a_bulk_command_takes_are_passed_over_many_at_a_time(
    segment, journal, monkeypatch
):
    async def use(inside):
        await quarantine(inside, numbers(BULK + 1))
        candidates, looks = inside.keeper.candidates, []
        await inside.ask("ReserveNumbers", pool="brisk", count=1)
        oldest = candidates._oldest
        candidates._oldest = lambda *asked: looks.append(asked) or oldest(*asked)
        async with being_looked_at(inside, monkeypatch):
            made = await inside.ask("ReserveNumbers", pool="brisk", count=1)
        assert list(made.numbers) == [FIRST + BULK]
        assert len(looks) < 30

    bulk(segment, journal, use)


def test_numbers_that_are_held_leave_their_reservation(segment, journal):
    async def use(inside):
        await quarantine(inside, numbers(BULK))
        made = await inside.ask("ReserveNumbers", pool="brisk", count=10)
        await inside.ask("HoldNumbers", numbers=numbers(BULK))
        kept = await inside.ask("GetReservation", id=made.id)
        assert [refusal.number for refusal in kept.refused] == list(made.numbers)
        assert not kept.numbers

    bulk(segment, journal, use)


def test_bulk_answer_names_what_was_refused_and_why(segment, journal):
    async def use(inside):
        await quarantine(inside, numbers(BULK))
        await inside.ask("RetireNumbers", numbers=[FIRST + 1], note="gone")
        answer = await inside.ask("HoldNumbers", numbers=numbers(BULK + 1))
        refused = {each.number: each.verdict for each in answer.refused}
        assert refused == {FIRST + 1: 8, FIRST + BULK: 9}
        assert list(answer.changed) == [n for n in numbers(BULK + 1) if n not in refused]

    bulk(segment, journal, use)


def test_bulk_quarantine_takes_a_number_that_stands_twice_once(segment, journal):
    async def use(inside):
        twice = [*numbers(BULK), 5, FIRST]
        answer = await quarantine(inside, twice)
        counts = (answer.accepted, answer.already_quarantined, answer.rejected)
        assert counts == (BULK, 1, 1)
        assert answer.rejections[0].number == 5

    bulk(segment, journal, use)


def test_bulk_quarantine_without_room_changes_nothing_and_the_last_free_place_is_given(
    segment, journal
):
    async def use(inside):
        await quarantine(inside, numbers(CAPACITY - BULK - 1))
        rest = begun(
            inside, "QuarantineNumbers", numbers=numbers(BULK, FIRST + CAPACITY), pool="brisk"
        )
        full = begun(
            inside, "QuarantineNumbers", numbers=numbers(BULK, FIRST + 2 * CAPACITY), pool="brisk"
        )
        table = inside.segment
        await until(lambda: table.numbers > CAPACITY - BULK - 1)
        assert table.numbers == CAPACITY - BULK - 1 + ROWS_A_SLICE  # it is being applied
        last = await inside.ask("QuarantineNumbers", numbers=[FIRST - 1], pool="brisk")
        assert last.accepted == 1
        assert (await rest).accepted == BULK
        with pytest.raises(Refusal, match=f"new numbers={BULK}, free=0, capacity={CAPACITY}"):
            await full
        assert table.numbers == CAPACITY

    bulk(segment, journal, use)


def test_bulk_command_whose_keeper_dies_amid_its_headers_is_whole_with_the_next(segment, journal):
    async def dies(inside):
        asked = begun(inside, "QuarantineNumbers", numbers=numbers(BULK), pool="brisk")
        await until(lambda: segment.numbers)
        assert segment.numbers == ROWS_A_SLICE
        asked.cancel()
        inside.keeper.log._settling.clear()  # it writes no more

    async def next_one(inside):
        assert segment.numbers == BULK
        assert segment.applied >= before + 1
        assert states(inside, numbers(BULK)) == {State.QUARANTINED}

    bulk(segment, journal, no_use)
    before = journal.last
    run(segment, journal, dies)
    assert segment.numbers == ROWS_A_SLICE
    assert segment.applied == before < journal.last
    run(segment, journal, next_one)


async def no_use(_):
    pass
