"""Every listener is told everything from when it began, or is cut; none makes memory grow."""

import asyncio

import pytest

from ringfence.server.link.change_feed import WAITING_MAX, ChangeFeed
from ringfence.server.link.refusal import Refusal, keeper_away


def run(use):
    asyncio.run(asyncio.wait_for(use(), 30))


def test_listeners_are_told_all_from_when_they_began():
    async def use():
        feed = ChangeFeed()
        feed.tell("before")
        with feed.listen() as one:
            feed.tell("first")
            with feed.listen() as two:
                feed.tell("second")
                assert [await anext(one), await anext(one)] == ["first", "second"]
                assert await anext(two) == "second"

    run(use)


def test_listener_that_waits_is_woken():
    async def use():
        feed = ChangeFeed()
        with feed.listen() as listener:
            waiting = asyncio.create_task(anext(listener))
            await asyncio.sleep(0)
            feed.tell("now")
            assert await waiting == "now"

    run(use)


def test_slow_listener_is_cut_and_the_others_are_not():
    async def use():
        feed = ChangeFeed()
        with feed.listen() as slow, feed.listen() as fast:
            for told in range(WAITING_MAX + 1):
                assert len(feed) == 2
                feed.tell(told)
                assert await anext(fast) == told
            assert len(feed) == 1
            feed.tell("more")
            with pytest.raises(Refusal) as caught:
                await anext(slow)  # at once, and not after what was waiting
            assert caught.value.reason == "SLOW_WATCHER"
            assert await anext(fast) == "more"

    run(use)


def test_as_much_as_the_bound_may_wait():
    async def use():
        feed = ChangeFeed()
        with feed.listen() as listener:
            for told in range(WAITING_MAX):
                feed.tell(told)
            assert [await anext(listener) for _ in range(WAITING_MAX)] == list(range(WAITING_MAX))

    run(use)


def test_all_are_cut_when_something_may_be_missing():
    async def use():
        feed = ChangeFeed()
        with feed.listen() as one, feed.listen() as two:
            feed.tell("lost")
            feed.cut(keeper_away())
            assert len(feed) == 0
            for listener in (one, two):
                with pytest.raises(Refusal) as caught:
                    await anext(listener)
                assert caught.value.reason == "KEEPER"
            with feed.listen() as later:
                feed.tell("again")
                assert await anext(later) == "again"

    run(use)


def test_listener_that_went_away_is_forgotten():
    async def use():
        feed = ChangeFeed()
        with pytest.raises(KeyError), feed.listen():
            assert len(feed) == 1
            raise KeyError
        assert len(feed) == 0

    run(use)
