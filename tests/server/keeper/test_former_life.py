"""A number that left comes back with nothing of its past, and when all of that has come in."""

import pytest
from support.keeper_inside import NOW, journal, run, segment

from ringfence.engine.words import FORMER_LIFE_S, State
from ringfence.server.keeper.numbers.departures import Departures

__all__ = ["journal", "segment"]  # fixtures

NUMBER = 447700900000
AHEAD_S = 300
KEPT_S = 100


async def quarantine(inside):
    return await inside.ask("QuarantineNumbers", numbers=[NUMBER], pool="default")


async def restore(inside):
    await inside.ask("RestoreNumbers", numbers=[NUMBER])


async def retire(inside):
    await inside.ask("RetireNumbers", numbers=[NUMBER], note="unlucky")


async def retire_and_restore(inside):
    await retire(inside)
    inside.now += 20
    await restore(inside)


async def retire_and_depart(inside):
    await retire(inside)
    inside.now += KEPT_S
    keeper = inside.keeper
    await Departures(inside.engine, keeper.state, keeper.log, kept_s=KEPT_S).let_go()
    assert inside.writer.header(NUMBER).state == State.FREE


@pytest.mark.parametrize("leave", [restore, retire, retire_and_restore, retire_and_depart])
def test_next_life_begins_310_s_after_the_number_was_last_tracked(leave, segment, journal):
    async def use(inside):
        await quarantine(inside)
        await leave(inside)
        inside.now = NOW + FORMER_LIFE_S - 1
        assert (await quarantine(inside)).rejected == 1
        inside.now = NOW + FORMER_LIFE_S
        assert (await quarantine(inside)).accepted == 1

    run(segment, journal, use)


def test_next_life_has_no_events_and_no_override_of_the_former_one(segment, journal):
    async def use(inside):
        await quarantine(inside)
        inside.call(NUMBER, at=NOW + AHEAD_S)  # by a clock that is ahead
        await inside.ask("OverrideNumbers", numbers=[NUMBER], note="for once")
        await restore(inside)
        inside.now = NOW + FORMER_LIFE_S
        await quarantine(inside)
        got = inside.engine.explain(NUMBER, now=inside.now)
        assert (got.events_total, got.recent, got.override_at) == (0, [], 0)

    run(segment, journal, use)
