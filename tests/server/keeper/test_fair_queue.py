"""Turns go round those who ask, by what their commands cost; what waits is bounded."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from ringfence.server.keeper.commands import fair_queue
from ringfence.server.keeper.commands.fair_queue import (
    BULK_NUMBERS,
    BYTES_OF_ONE_MAX,
    NUMBER_BYTES,
    SEEN_MAX,
    TURNS_MAX,
    TURNS_OF_ONE_MAX,
    WAITING_OF_ONE_MAX,
    FairQueue,
)
from ringfence.server.link.refusal import Refusal

BULK = 65_536
TIMEOUT_S = 30.0


class Asked:
    """Commands, in the order in which they have their turn, which lasts until it is told to end."""

    def __init__(self, **fields) -> None:
        self.queue = FairQueue(**fields)
        self.order: list[str] = []
        self._ends: list[tuple[str, asyncio.Event]] = []
        self._tasks: list[asyncio.Task] = []

    async def ask(self, name: str, numbers: int = 1, times: int = 1) -> list[asyncio.Task]:
        asked = [asyncio.create_task(self._ask(name, numbers)) for _ in range(times)]
        self._tasks += asked
        await self.rounds()
        return asked

    async def _ask(self, name: str, numbers: int) -> None:
        async with self.queue.turn(name, numbers):
            self.order.append(name)
            end = asyncio.Event()
            self._ends.append((name, end))
            await end.wait()

    async def rounds(self) -> None:
        """Those who may have a turn have it."""
        for _ in range(2 * TURNS_MAX):
            await asyncio.sleep(0)

    async def end_one(self) -> None:
        self.tell_one_to_end()
        await self.rounds()

    def tell_one_to_end(self) -> None:
        self._ends.pop(0)[1].set()

    async def finish(self) -> list[str]:
        while self._ends:
            await self.end_one()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return self.order


def run(use, **fields):
    async def started():
        await asyncio.wait_for(use(Asked(**fields)), TIMEOUT_S)

    asyncio.run(started())


def test_the_command_of_another_waits_for_none_of_the_many_of_one():
    async def use(asked):
        await asked.ask("many", times=200)
        assert asked.order == ["many"] * TURNS_OF_ONE_MAX
        await asked.ask("other")
        assert asked.order[TURNS_OF_ONE_MAX:] == ["other"]
        assert Counter(await asked.finish()) == {"many": 200, "other": 1}

    run(use)


def test_commands_of_two_take_turns():
    async def use(asked):
        await asked.ask("fill-1", times=TURNS_OF_ONE_MAX)
        await asked.ask("fill-2", times=TURNS_MAX - TURNS_OF_ONE_MAX)
        await asked.ask("left", times=5)
        await asked.ask("right", times=5)
        order = (await asked.finish())[TURNS_MAX:]
        assert order == ["left", "right"] * 5

    run(use)


def test_one_bulk_command_at_a_time_has_a_turn_and_small_ones_have_theirs_beside_it():
    async def use(asked):
        await asked.ask("bulk", BULK, times=3)
        assert asked.order == ["bulk"]
        await asked.ask("bulk", times=2)
        await asked.ask("other", times=2)
        assert asked.order == ["bulk"] + ["bulk"] * 2 + ["other"] * 2
        assert (await asked.finish())[5:] == ["bulk"] * 2

    run(use)


def test_bulk_and_small_commands_have_turns_by_what_they_cost():
    async def use(asked):
        await asked.ask("large", BULK)
        await asked.end_one()
        await asked.ask("fill-1", times=TURNS_OF_ONE_MAX)
        await asked.ask("fill-2", times=TURNS_MAX - TURNS_OF_ONE_MAX)
        await asked.ask("large", BULK)
        await asked.ask("left", times=100)
        await asked.ask("right", times=100)
        order = (await asked.finish())[1 + TURNS_MAX :]
        assert Counter(order) == {"left": 100, "right": 100, "large": 1}
        assert 100 < order.index("large") < 200

    run(use)


def test_who_asks_larger_commands_has_fewer_turns():
    async def use(asked):
        await asked.ask("first", 2 * BULK_NUMBERS)
        await asked.ask("large", 9 * BULK_NUMBERS, times=9)
        await asked.ask("less", 2 * BULK_NUMBERS, times=90)
        order = await asked.finish()
        until_last = order[: len(order) - order[::-1].index("large")]
        turns = Counter(until_last)
        assert 3 * turns["large"] < turns["less"] < 5 * turns["large"]

    run(use)


def test_who_was_away_has_saved_no_turns_and_what_one_has_cost_is_not_forgotten():
    async def use(asked):
        await asked.ask("large", BULK)
        await asked.end_one()  # and goes
        await asked.ask("away", 2 * BULK_NUMBERS)
        await asked.ask("large", BULK)
        await asked.ask("less", 2 * BULK_NUMBERS, times=5)
        assert await asked.finish() == ["large", "away", *["less"] * 5, "large"]
        asked.order.clear()
        await asked.ask("large", BULK, times=2)
        await asked.ask("away", BULK, times=2)
        assert await asked.finish() == ["large", "away", "large", "away"]

    run(use)


def test_bulk_commands_pause_and_small_ones_do_not():
    paused_s = 0.2

    async def use(asked):
        await asked.ask("bulk", BULK, times=2)
        await asked.end_one()
        await asked.ask("small")
        assert asked.order == ["bulk", "small"]
        await asyncio.sleep(2 * paused_s)
        await asked.rounds()
        assert asked.order[2:] == ["bulk"]
        await asked.finish()

    run(use, pause_s=lambda numbers: paused_s if numbers == BULK else 9 * TIMEOUT_S)


def test_one_that_is_given_up_leaves_its_place_to_the_next():
    async def use(asked):
        await asked.ask("bulk", BULK)
        (left,) = await asked.ask("left", BULK)
        await asked.ask("stays", BULK)
        left.cancel()
        assert await asked.finish() == ["bulk", "stays"]
        (in_turn,) = await asked.ask("in turn", BULK)
        await asked.ask("next", BULK)
        in_turn.cancel()
        await asked.rounds()
        assert asked.order[2:] == ["in turn", "next"]
        await asked.finish()

    run(use)


@pytest.mark.parametrize(("numbers", "turns"), [(1, TURNS_OF_ONE_MAX), (BULK, 1)])
def test_one_that_is_given_up_at_the_moment_of_its_turn_gives_it_back(numbers, turns):
    """It has its turn, and has not gone on yet."""

    async def use(asked):
        await asked.ask("one", numbers, times=turns)
        (left,) = await asked.ask("one", numbers)
        (asker,) = asked.queue._askers.values()
        (wait,) = asker.waiting
        asked.tell_one_to_end()
        while not wait.turn.done():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)
        left.cancel()
        await asked.rounds()
        assert len(asked.order) == turns  # it has never begun
        await asked.ask("one", numbers)
        assert len(asked.order) == turns + 1
        await asked.finish()

    run(use)


def test_what_waits_of_one_and_in_all_is_bounded(monkeypatch):
    async def use(asked):
        many = TURNS_OF_ONE_MAX + WAITING_OF_ONE_MAX
        await asked.ask("many", times=many)
        with pytest.raises(Refusal, match=f"calls of one={WAITING_OF_ONE_MAX + 1}, limit="):
            async with asked.queue.turn("many", 1):
                pass
        monkeypatch.setattr(fair_queue, "WAITING_MAX", WAITING_OF_ONE_MAX)
        with pytest.raises(Refusal, match=f"calls={WAITING_OF_ONE_MAX + 1}, limit=") as caught:
            async with asked.queue.turn("other", 1):
                pass
        assert caught.value.reason == "KEEPER"
        assert [type(detail).__name__ for detail in caught.value.details] == ["RetryInfo"]

    run(use)


def test_the_bytes_that_wait_of_one_are_bounded_and_leave_room_to_others():
    async def use(asked):
        await asked.ask("bulk", BULK, times=BYTES_OF_ONE_MAX // (BULK * NUMBER_BYTES))
        with pytest.raises(Refusal, match="bytes of one="):
            async with AsyncExitStack() as stack:
                for _ in range(2):
                    await stack.enter_async_context(asked.queue.turn("bulk", BULK))
        await asked.ask("bulk")
        await asked.ask("other", BULK)
        assert asked.order == ["bulk", "bulk"]

    run(use)


def test_the_bytes_that_wait_in_all_are_bounded(monkeypatch):
    async def use(asked):
        await asked.ask("one", BULK, times=3)
        monkeypatch.setattr(fair_queue, "BYTES_MAX", 3 * BULK * NUMBER_BYTES)
        await asked.ask("other", BULK // 2)
        with pytest.raises(Refusal, match=": bytes="):
            async with asked.queue.turn("third", BULK):
                pass
        assert await asked.finish() == ["one", "other", "one", "one"]

    run(use)


def test_commands_of_one_begin_in_the_order_in_which_they_were_asked():
    async def use(asked):
        began = []

        async def ask(index):
            async with asked.queue.turn("one", 1):
                began.append(index)
                await asyncio.sleep(0)

        await asyncio.gather(*map(ask, range(3 * TURNS_MAX)))
        assert began == list(range(3 * TURNS_MAX))

    run(use)


def test_those_who_ask_no_more_are_forgotten_and_who_waits_is_not():
    async def use(asked):
        await asked.ask("many", times=TURNS_OF_ONE_MAX + 1)
        for index in range(SEEN_MAX + 100):
            async with asked.queue.turn(f"actor {index}", 1):
                pass
        assert len(asked.queue._askers) <= SEEN_MAX + 1
        await asked.ask("many")
        assert asked.order == ["many"] * TURNS_OF_ONE_MAX
        await asked.finish()

    run(use)
