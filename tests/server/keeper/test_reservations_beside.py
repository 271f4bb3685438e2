"""Reservations beside other commands: which of them make a pool be looked through again."""

import asyncio
import threading

import pytest
from support.keeper_inside import NOW, journal, run, segment

from ringfence.engine.verdict.sweep_sums import SweepSums
from ringfence.server.config.config import load_config
from ringfence.server.journal.keeper_values import keeper_values
from ringfence.server.keeper.queue import candidates
from ringfence.server.keeper.queue.scan_result import finished_scan
from ringfence.server.link.refusal import Refusal

__all__ = ["journal", "segment"]  # fixtures

FIRST = 447700900000
DAY_S = 86_400
TIMEOUT_S = 20.0
SWEEPS_MAX = 9  # a reservation that needs more makes no progress


def policy(name="brisk", **fields):
    rules = [{"measure": 1, "limit": 0, "window": {"seconds": 10}}]
    return {"name": name, "rules": rules, "quiet_period": {"seconds": 1}, **fields}


async def put_pool(inside, name="brisk", **fields):
    await inside.ask("PutPool", pool={"name": name, "policy": "brisk"} | fields)


async def stock(inside, *numbers, pool="brisk", days=9):
    """Numbers that went into quarantine one after the other."""
    times = [NOW - days * DAY_S + number % 100 for number in numbers]
    await inside.ask(
        "QuarantineNumbers",
        numbers=numbers,
        pool=pool,
        quarantined_at=times,
        observed_since=times,
    )


async def reserve(inside, count, **fields):
    made = await inside.ask("ReserveNumbers", **{"pool": "brisk", "count": count, **fields})
    return list(made.numbers)


async def no_change():
    pass


def swept(inside, after=no_change):
    """The questions of each sweep that is asked for from now on; after each, something happens."""
    scanner = inside.keeper.candidates.scanner
    began, sweep = inside.keeper.candidates.asked_sweep_began, scanner.sweep
    sweeps = []

    def begin(questions):
        sweeps.append([tuple(question) for question in questions])
        assert len(sweeps) <= SWEEPS_MAX
        began(questions)

    async def sweep_and_change(pool, prefix=""):
        found = await sweep(pool, prefix)
        await after()
        return found

    inside.keeper.candidates.asked_sweep_began = begin
    scanner.sweep = sweep_and_change
    return sweeps


def beside(segment, journal, use):
    """With a keeper whose scanner sweeps when it is asked to, and once at its start."""

    async def bounded(inside):
        await inside.ask("PutPolicy", policy=policy())
        await inside.ask("PutPolicy", policy=policy("other"))
        await put_pool(inside)
        async with asyncio.timeout(TIMEOUT_S):
            await use(inside)

    config = load_config()
    slow = config.model_copy(update={"scan": config.scan.model_copy(update={"period": 9_999})})
    run(segment, journal, bounded, config=slow)


def test_change_of_settings_makes_those_pools_be_looked_through_whose_rules_it_changes(
    segment, journal
):
    changes = [
        ("PutPool", "pool", {"name": "brisk", "policy": "brisk", "description": "new"}, False),
        ("PutPool", "pool", {"name": "new", "policy": "brisk"}, False),
        ("PutPolicy", "policy", policy(description="new"), False),
        ("PutPolicy", "policy", policy("other", minimum_age={"seconds": 6}), False),
        ("PutPolicy", "policy", policy(minimum_age={"seconds": 5}), True),
        ("PutPool", "pool", {"name": "brisk", "policy": "other"}, True),
    ]

    async def use(inside):
        await stock(inside, *range(FIRST, FIRST + 20))
        assert await reserve(inside, 1) == [FIRST]
        for count, (method, field, value, is_looked_through) in enumerate(changes, 1):
            await inside.ask(method, **{field: value})
            sweeps = swept(inside)
            assert await reserve(inside, 1) == [FIRST + count]
            assert bool(sweeps) == is_looked_through, value

    beside(segment, journal, use)


def test_reservation_is_made_beside_a_stream_of_changes_of_other_pools(segment, journal):
    async def use(inside):
        await stock(inside, FIRST, FIRST + 1)

        async def change():
            await put_pool(inside, "new", description=f"after sweep {len(sweeps)}")

        sweeps = swept(inside, change)
        assert await reserve(inside, 2) == [FIRST, FIRST + 1]
        assert len(sweeps) == 1

    beside(segment, journal, use)


@pytest.mark.parametrize("prefix", ["", "4477"])
def test_reservation_is_made_beside_a_stream_of_changes_of_its_own_pool(segment, journal, prefix):
    async def use(inside):
        await stock(inside, FIRST, FIRST + 1)

        async def change():
            age = {"seconds": len(sweeps)}
            await inside.ask("PutPolicy", policy=policy(minimum_age=age))

        sweeps = swept(inside, change)
        assert await reserve(inside, 2, prefix=prefix) == [FIRST, FIRST + 1]
        assert len(sweeps) == 2

    beside(segment, journal, use)


def test_number_that_is_before_where_it_was_found_is_not_passed_over(segment, journal):
    """A call counts when it is found, and does not when the numbers are taken."""

    async def use(inside):
        calls, messages = (
            policy(rules=[{"measure": 1, "limit": 0, "window": {"seconds": 10}, "kinds": [kind]}])
            for kind in (1, 2)
        )
        await inside.ask("PutPolicy", policy=messages)
        await stock(inside, FIRST, FIRST + 1, FIRST + 2)
        inside.call(FIRST, at=NOW - 100)

        async def change():
            await inside.ask("PutPolicy", policy=calls if len(sweeps) % 2 else messages)

        sweeps = swept(inside, change)
        with pytest.raises(Refusal, match="wanted=4, clean=3"):
            await reserve(inside, 4)
        assert await reserve(inside, 3) == [FIRST, FIRST + 1, FIRST + 2]

    beside(segment, journal, use)


def test_reservations_that_wait_share_a_sweep_whatever_they_ask_for(segment, journal, monkeypatch):
    monkeypatch.setattr(candidates, "SWEEPS_MAX", 1)

    async def use(inside):
        numbers = range(FIRST, FIRST + 40)
        for index in range(5):
            await put_pool(inside, f"pool-{index}")
            await stock(inside, *numbers[index * 8 : index * 8 + 8], pool=f"pool-{index}")
        inside.keeper.candidates._queues.clear()  # so that all of them have to look
        inside.keeper.candidates._marks.clear()
        sweeps = swept(inside)
        made = await asyncio.gather(
            *(reserve(inside, 1, pool=f"pool-{n // 8}", prefix=str(FIRST + n)) for n in range(40)),
            *(reserve(inside, 9, pool=f"pool-{n}") for n in range(5)),
            return_exceptions=True,
        )
        assert made[:40] == [[number] for number in numbers]
        assert {each.reason for each in made[40:]} == {"TOO_FEW_CLEAN"}
        assert len(sweeps) == 1
        assert len(sweeps[0]) == 45

    beside(segment, journal, use)


def test_settings_that_change_while_pools_take_a_scan_over_count_for_those_to_come(
    segment, journal
):
    async def use(inside):
        for name in ("one", "two"):
            await inside.ask("PutPolicy", policy=policy(name))
            await put_pool(inside, name, policy=name)
        await inside.stop()
        pools = [inside.keeper.state.published.pool_index(name) for name in ("one", "two")]
        found = inside.keeper.candidates
        for name in ("one", "two"):
            await inside.ask("PutPolicy", policy=policy(name, quiet_period={"seconds": 2}))
        assert [found.in_order(pool, "") for pool in pools] == [False, False]
        found.sweep_began()
        steps = found.sweep_ended(finished_scan(NOW, SweepSums(), {}))
        while not found.in_order(pools[0], ""):
            next(steps)
        assert not found.in_order(pools[1], "")  # it has its turn later
        await inside.ask("PutPolicy", policy=policy("two", quiet_period={"seconds": 3}))
        assert list(steps) == []
        assert [found.in_order(pool, "") for pool in pools] == [True, False]

    beside(segment, journal, use)


def test_commands_that_wait_for_settings_go_before_the_next_change_of_them(segment, journal):
    async def use(inside):
        await stock(inside, FIRST)
        await reserve(inside, 1)
        await stock(inside, FIRST + 1)
        before, gate = journal.last, threading.Event()
        journal.after_commit(lambda: journal.last > before and gate.wait(TIMEOUT_S) and None)
        waiting = [asyncio.create_task(put_pool(inside, description="first"))]
        await asyncio.sleep(0)
        waiting.append(asyncio.create_task(inside.ask("HoldNumbers", numbers=[FIRST + 1])))
        await asyncio.sleep(0)
        waiting += [asyncio.create_task(put_pool(inside, description=str(n))) for n in range(3)]
        await asyncio.sleep(0.1)
        gate.set()
        await asyncio.gather(*waiting)
        commands = [value.command for _, value in keeper_values(journal, before) if value.command]
        assert commands == ["PutPool", "HoldNumbers", "PutPool", "PutPool", "PutPool"]

    beside(segment, journal, use)
