"""Numbers that were assigned or retired leave the table when their time has come."""

from support.keeper_inside import NOW, journal, run, segment

from ringfence.engine.words import State
from ringfence.server.journal.keeper_values import keeper_values
from ringfence.server.keeper.numbers import departures
from ringfence.server.keeper.numbers.departures import Departures

__all__ = ["journal", "segment"]  # fixtures

FIRST = 447700900000
KEPT_S = 1_000


def departures_of(inside):
    keeper = inside.keeper
    return Departures(inside.engine, keeper.state, keeper.log, kept_s=KEPT_S)


async def stock(inside, count):
    numbers = list(range(FIRST, FIRST + count))
    await inside.ask("QuarantineNumbers", numbers=numbers, pool="default")
    return numbers


def states(inside, numbers):
    return [inside.writer.header(number).state for number in numbers]


def test_they_leave_in_their_second_and_the_others_stay(segment, journal):
    async def use(inside):
        retired, later, held, there = numbers = await stock(inside, 4)
        await inside.ask("RetireNumbers", numbers=[retired], note="unlucky")
        await inside.ask("HoldNumbers", numbers=[held])
        inside.now += 1
        await inside.ask("RetireNumbers", numbers=[later], note="unlucky")
        inside.now = NOW + KEPT_S - 1
        await departures_of(inside).let_go()
        assert states(inside, numbers)[0] == State.RETIRED
        inside.now += 1
        await departures_of(inside).let_go()
        kinds = [State.FREE, State.RETIRED, State.HELD, State.QUARANTINED]
        assert states(inside, numbers) == kinds
        assert inside.verdicts(retired) == [9]
        assert there in numbers

    run(segment, journal, use)


def test_departure_is_journalled_as_a_change_of_nobody(segment, journal, monkeypatch):
    monkeypatch.setattr(departures, "NUMBERS_A_COMMAND", 2)

    async def use(inside):
        numbers = await stock(inside, 5)
        await inside.ask("RetireNumbers", numbers=numbers, note="unlucky")
        before = journal.last
        inside.now += KEPT_S
        await departures_of(inside).let_go()
        values = [value for _, value in keeper_values(journal, before)]
        assert [len(value.current) for value in values if not value.keys] == [2, 2, 1]
        for value in values:
            if not value.keys:
                assert set(value.previous) == {8}
                assert set(value.current) == {9}
                assert (value.command, value.actor, value.note) == ("", "", "")

    run(segment, journal, use)


def test_table_is_looked_through_a_piece_at_a_time(segment, journal, monkeypatch):
    monkeypatch.setattr(departures, "RECORDS_A_LOOK", 2)

    async def use(inside):
        numbers = await stock(inside, 5)
        gone = [numbers[0], numbers[1], numbers[4]]
        await inside.ask("RetireNumbers", numbers=gone, note="unlucky")
        inside.now += KEPT_S
        leaving = departures_of(inside)
        looked = []

        def look(first, before):
            looked.append(first)
            return departures.Departures._left(leaving, first, before)

        leaving._left = look
        await leaving.let_go()
        assert looked == [0, 2, 4]
        free = [number for number in numbers if inside.writer.header(number).state == State.FREE]
        assert free == gone

    run(segment, journal, use)


def test_number_that_comes_back_meanwhile_stays(segment, journal):
    async def use(inside):
        retired, back = numbers = await stock(inside, 2)
        await inside.ask("RetireNumbers", numbers=numbers, note="unlucky")
        inside.now += KEPT_S
        leaving = departures_of(inside)
        seen, end = leaving._left(0, inside.now - KEPT_S)
        assert seen.tolist() == numbers
        leaving._left = lambda *_: (seen, end)
        await inside.ask("QuarantineNumbers", numbers=[back], pool="default")
        await leaving.let_go()
        assert states(inside, numbers) == [State.FREE, State.QUARANTINED]
        assert retired != back

    run(segment, journal, use)
