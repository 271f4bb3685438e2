"""Long reads do a slice at a time, beside the loop, and each gets its turn."""

import asyncio
import threading
from functools import partial
from itertools import pairwise

import pytest

from ringfence.server.link.turns import FIRST_IN_A_ROW_MAX, Turns


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
