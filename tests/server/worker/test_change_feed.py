"""Every listener is told everything from when it began, or is cut; none makes memory grow."""

import asyncio

import pytest

from ringfence.server.link.refusal import Refusal, keeper_away
from ringfence.server.worker.change_feed import WAITING_BYTES_MAX, WAITING_MAX, ChangeFeed

LARGE = bytes(WAITING_BYTES_MAX // 4)
PATIENT_S = 3600.0


def run(use):
    asyncio.run(asyncio.wait_for(use(), 30))


async def reason_of(listener):
    with pytest.raises(Refusal) as caught:
        await anext(listener)
    return caught.value.reason


def test_listeners_are_told_all_from_when_they_began():
    async def use():
        feed = ChangeFeed()
        await feed.tell(2, {"all": b"before"})
        with feed.listen("all", 1) as one:
            await feed.tell(2, {"all": b"first"})
            with feed.listen("all", 1) as two:
                await feed.tell(2, {"all": b"second"})
                assert [await anext(one), await anext(one)] == [b"first", b"second"]
                assert await anext(two) == b"second"

    run(use)


def test_listeners_are_told_what_answers_their_question_and_who_asks_the_same_the_same_bytes():
    async def use():
        feed = ChangeFeed()
        with feed.listen("a", 1) as one, feed.listen("a", 1) as two, feed.listen("b", 1) as other:
            assert feed.questions == {"a", "b"}
            await feed.tell(2, {"a": bytes(1_000), "b": b""})  # nothing for b
            await feed.tell(2, {"b": b"b"})
            assert await anext(one) is await anext(two)
            assert await anext(other) == b"b"

    run(use)


def test_listener_is_told_nothing_of_what_was_there_when_it_began():
    async def use():
        feed = ChangeFeed()
        with feed.listen("all", 7) as listener, feed.listen("all", 6) as earlier:
            await feed.tell(7, {"all": b"on its way"})
            await feed.tell(8, {"all": b"new"})
            assert [await anext(earlier) for _ in range(2)] == [b"on its way", b"new"]
            assert await anext(listener) == b"new"

    run(use)


def test_listener_that_waits_is_woken():
    async def use():
        feed = ChangeFeed()
        with feed.listen("all", 1) as listener:
            waiting = asyncio.create_task(anext(listener))
            await asyncio.sleep(0)
            await feed.tell(2, {"all": b"now"})
            assert await waiting == b"now"

    run(use)


def test_listener_that_takes_nothing_is_cut_at_once_and_the_others_are_not():
    async def use():
        feed = ChangeFeed(patience_s=PATIENT_S)
        with feed.listen("all", 1) as slow, feed.listen("all", 1) as fast:
            for told in range(WAITING_MAX + 1):
                assert len(feed) == 2
                await feed.tell(2, {"all": b"%d" % told})
                assert await anext(fast) == b"%d" % told
            assert len(feed) == 1
            await feed.tell(2, {"all": b"more"})
            # At once, and not after what was waiting.
            assert await reason_of(slow) == "SLOW_WATCHER"
            assert await anext(fast) == b"more"

    run(use)


def test_as_much_as_the_bound_may_wait():
    async def use():
        feed = ChangeFeed()
        with feed.listen("all", 1) as listener:
            told = [b"%d" % each for each in range(WAITING_MAX)]
            for message in told:
                await feed.tell(2, {"all": message})
            assert [await anext(listener) for _ in range(WAITING_MAX)] == told

    run(use)


@pytest.mark.parametrize(
    ("size", "count"), [(1, 4 * WAITING_MAX), (len(LARGE), 40)], ids=["many", "large"]
)
def test_listener_that_reads_is_told_everything_however_much_comes_at_once(size, count):
    async def use():
        feed = ChangeFeed(patience_s=PATIENT_S)
        told = [b"%d" % each + bytes(size) for each in range(count)]

        async def tell():
            for message in told:
                await feed.tell(2, {"all": message})

        with feed.listen("all", 1) as listener:
            telling = asyncio.create_task(tell())
            heard = []
            for _ in told:
                for _ in range(9):  # whoever tells is faster
                    await asyncio.sleep(0)
                heard.append(await anext(listener))
            await telling
            assert heard == told

    run(use)


def test_no_more_bytes_wait_for_a_listener_than_the_bound():
    async def use():
        feed = ChangeFeed(patience_s=PATIENT_S)
        with feed.listen("all", 1) as listener:
            for _ in range(4):
                await feed.tell(2, {"all": LARGE})
            telling = asyncio.create_task(feed.tell(2, {"all": b"more"}))
            for _ in range(9):
                await asyncio.sleep(0)
            assert not telling.done()
            await anext(listener)
            await telling

    run(use)


def test_a_message_that_is_larger_than_the_bound_waits_alone():
    async def use():
        feed = ChangeFeed(patience_s=0)
        with feed.listen("all", 1) as listener:
            await feed.tell(2, {"all": bytes(2 * WAITING_BYTES_MAX)})
            assert len(await anext(listener)) == 2 * WAITING_BYTES_MAX

    run(use)


def test_listeners_that_keep_others_waiting_are_cut_together_when_patience_has_run_out():
    async def use():
        feed = ChangeFeed(patience_s=0.01)
        with (
            feed.listen("all", 1) as one,
            feed.listen("all", 1) as two,
            feed.listen("all", 1) as fast,
        ):
            for _ in range(5):
                await feed.tell(2, {"all": LARGE})
                await anext(fast)
            assert len(feed) == 1
            assert [await reason_of(slow) for slow in (one, two)] == ["SLOW_WATCHER"] * 2

    run(use)


def test_nobody_waits_for_a_listener_that_has_left():
    async def use():
        feed = ChangeFeed(patience_s=PATIENT_S)
        with feed.listen("all", 1):
            for _ in range(4):
                await feed.tell(2, {"all": LARGE})
            telling = asyncio.create_task(feed.tell(2, {"all": LARGE}))
            await asyncio.sleep(0)
        await telling
        assert len(feed) == 0

    run(use)


def test_all_are_cut_when_something_may_be_missing():
    async def use():
        feed = ChangeFeed()
        with feed.listen("all", 1) as one, feed.listen("all", 1) as two:
            await feed.tell(2, {"all": b"lost"})
            feed.cut(keeper_away())
            assert len(feed) == 0
            assert [await reason_of(listener) for listener in (one, two)] == ["KEEPER"] * 2
            with feed.listen("all", 1) as later:
                await feed.tell(2, {"all": b"again"})
                assert await anext(later) == b"again"

    run(use)


def test_listener_that_went_away_is_forgotten():
    async def use():
        feed = ChangeFeed()
        with pytest.raises(KeyError), feed.listen("all", 1):
            assert len(feed) == 1
            raise KeyError
        assert len(feed) == 0

    run(use)
