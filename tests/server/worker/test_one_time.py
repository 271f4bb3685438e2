"""A worker that is quicker than the keeper: it waits until it is known what time it is."""

import asyncio

import pytest

from ringfence.engine.memory.one_time import OneTime
from ringfence.engine.memory.segment import Segment
from ringfence.server.worker.worker import wait_for_time

PATIENCE_S = 30
NOW_NS = 1_750_000_000 * 1_000_000_000


@pytest.mark.parametrize("by_keeper", [True, False])
def test_worker_waits_for_the_keeper_or_until_it_is_to_stop(by_keeper: bool) -> None:
    segment = Segment.create(None, capacity_numbers=10)
    time = OneTime(segment, lambda: 0)

    async def use() -> None:
        stop = asyncio.Event()
        waiting = asyncio.create_task(wait_for_time(time, stop))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        if by_keeper:
            segment.publish_time(NOW_NS)
        else:
            stop.set()
        await asyncio.wait_for(waiting, PATIENCE_S)

    asyncio.run(use())
    assert time.known is by_keeper
    if by_keeper:
        assert time() == 1_750_000_000
