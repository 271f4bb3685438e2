"""Long reads do a slice at a time, beside the loop, and each gets its turn."""

import asyncio
import threading
from functools import partial
from itertools import pairwise

import pytest

from ringfence.server.link.turns import (
    FIRST_IN_A_ROW_MAX,
    STRETCH_SLICES,
    UNDER_WAY_MAX,
    LongRead,
    Turns,
)


def run(use):
    asyncio.run(asyncio.wait_for(use(), 30))


class Slices:
    """Slices that are asked for while the thread is busy, in the order in which they are done."""

    def __init__(self) -> None:
        self._turns = Turns("test")
        self._free = threading.Event()
        self._asked = [asyncio.ensure_future(self._turns.take(self._free.wait))]
        self.done: list[str] = []

    async def ask(self, name: str, *, later: bool = False) -> asyncio.Future:
        work = partial(self.done.append, name)
        asked = asyncio.ensure_future(self._turns.take(work, later=later))
        self._asked.append(asked)
        await asyncio.sleep(0)
        return asked

    async def finish(self) -> list[str]:
        self._free.set()
        await asyncio.gather(*self._asked, return_exceptions=True)
        return self.done


def test_a_slice_is_done_beside_the_loop_and_answered_or_raised():
    async def use():
        turns = Turns("test")
        assert await turns.take(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await turns.take(lambda: 1 // 0)
        assert await turns.take(lambda: "still there") == "still there"

    run(use)


def test_slices_take_turns_in_their_order():
    async def use():
        slices = Slices()
        for name in "abc":
            await slices.ask(name, later=True)
        assert await slices.finish() == ["a", "b", "c"]

    run(use)


def test_the_first_slice_of_a_call_waits_for_no_later_one():
    async def use():
        slices = Slices()
        for name in "xy":
            await slices.ask(name, later=True)
        await slices.ask("first")
        assert await slices.finish() == ["first", "x", "y"]

    run(use)


def test_later_slices_get_their_share_however_many_calls_begin():
    async def use():
        slices = Slices()
        count = 3 * FIRST_IN_A_ROW_MAX
        for _ in range(count):
            await slices.ask("first")
        for _ in range(3):
            await slices.ask("later", later=True)
        done = await slices.finish()
        assert len(done) == count + 3
        places = [place for place, name in enumerate(done) if name == "later"]
        steps = [later - earlier for earlier, later in pairwise(places)]
        assert steps == [FIRST_IN_A_ROW_MAX + 1] * 2

    run(use)


def test_a_slice_that_is_cancelled_while_it_waits_is_not_done():
    async def use():
        slices = Slices()
        asked = await slices.ask("left")
        await slices.ask("stays")
        asked.cancel()
        await asyncio.wait([asked])
        await asyncio.sleep(0)  # the thread's side of it hears of that behind the loop's
        assert await slices.finish() == ["stays"]

    run(use)


async def ask_slices(read: LongRead, name: str, count: int, done: list[str]) -> None:
    for _slice in range(count):
        await read.take(partial(done.append, name))


def test_few_long_reads_are_under_way_and_the_others_begin_when_these_end():
    async def use():
        turns, done = Turns("test"), []

        async def long_read(name: str) -> None:
            with turns.long_read() as read:
                await ask_slices(read, name, 10, done)

        names = [str(index) for index in range(UNDER_WAY_MAX * 3)]
        await asyncio.gather(*map(long_read, names))
        assert sorted(done) == sorted(names * 10)
        begun = [[at for at, name in enumerate(done) if name == each][1] for each in names]
        ended = [len(done) - done[::-1].index(each) for each in names]
        assert all(begun[i + UNDER_WAY_MAX] >= ended[i] for i in range(len(names) - UNDER_WAY_MAX))

    run(use)


def test_a_long_read_gives_way_after_its_stretch():
    async def use():
        turns, done = Turns("test"), []

        async def long_read(name: str, count: int) -> None:
            with turns.long_read() as read:
                await ask_slices(read, name, count, done)

        endless = [str(index) for index in range(UNDER_WAY_MAX)]
        brief = long_read("brief", 2)
        await asyncio.gather(*(long_read(name, 5 * STRETCH_SLICES) for name in endless), brief)
        last = len(done) - 1 - done[::-1].index("brief")
        assert STRETCH_SLICES < last < 3 * UNDER_WAY_MAX * STRETCH_SLICES

    run(use)


def test_a_long_read_that_ends_early_lets_another_begin():
    async def use():
        turns, done = Turns("test"), []
        for _ in range(2 * UNDER_WAY_MAX):
            with pytest.raises(ZeroDivisionError), turns.long_read() as read:
                await ask_slices(read, "begun", 2, done)
                await read.take(lambda: 1 // 0)
        blocked = threading.Event()

        async def cancelled() -> None:
            with turns.long_read() as read:
                await ask_slices(read, "begun", 2, done)
                await read.take(blocked.wait)

        waiting = [asyncio.ensure_future(cancelled()) for _ in range(3 * UNDER_WAY_MAX)]
        await asyncio.sleep(0.05)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        blocked.set()
        assert not turns.under_way.locked()
        for _ in range(UNDER_WAY_MAX):
            await turns.under_way.acquire()
        assert turns.under_way.locked()  # and no more have been let go than were held

    run(use)
