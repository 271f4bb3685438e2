"""EventStream against a real server: what its claims cover, and what they leave out."""

import asyncio
from collections.abc import Callable

import pytest
from support.server_process import CALLER, peer_of, wait_until
from support.told_claims import gaps_of, hour_ago, put_feed, status_of

from ringfence import EventKind, EventStream
from ringfence.v1 import number_service_pb2 as numbers

pytestmark = pytest.mark.slow


class Clock:
    """The sender's clock."""

    def __init__(self) -> None:
        self.now = hour_ago() - 3_600

    def __call__(self) -> float:
        return self.now


def stream(server, feed: str, clock: Clock, *, linger_s: float = 0.01) -> EventStream:
    return EventStream(
        server.address,
        feed,
        heartbeat_s=0.02,
        lateness_s=0,
        linger_s=linger_s,
        buffer_events=2,
        clock=clock,
    )


async def heard(sending: EventStream, watermark: int) -> None:
    """Waits until the server has a claim of the stream's."""
    await happens(
        lambda: sending.stats.watermark and sending.stats.watermark.timestamp() == watermark
    )


async def happens(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.01)


def test_heartbeats_cover_the_time_in_which_a_sender_listens(server, peer):
    put_feed(peer, "beating", silence_max={"seconds": 86_400})
    clock = Clock()
    began = clock.now

    async def send() -> None:
        async with stream(server, "beating", clock) as sending:
            for _ in range(5):
                clock.now += 10
                await heard(sending, clock.now)
            clock.now += 3_600  # it could reach nobody for an hour, and has it all in its buffer
            await heard(sending, clock.now)

    asyncio.run(send())
    wait_until(lambda: status_of(peer, "beating").watermark.seconds == began + 3_650)
    assert gaps_of(peer, "beating") == []


def test_sender_that_was_not_there_leaves_a_gap_and_goes_on(server, peer):
    put_feed(peer, "absent", silence_max={"seconds": 86_400})
    clock = Clock()
    began = clock.now

    async def send() -> None:
        async with stream(server, "absent", clock) as sending:
            clock.now += 10
            await heard(sending, began + 10)

    asyncio.run(send())
    clock.now += 600
    began_again = clock.now

    async def go_on() -> None:
        async with stream(server, "absent", clock) as sending:
            clock.now += 10
            await heard(sending, began_again + 10)

    asyncio.run(go_on())
    # Two workers may have told the keeper of one claim each, in any order.
    wait_until(lambda: gaps_of(peer, "absent") == [(began + 10, began_again)])
    assert status_of(peer, "absent").watermark.seconds == began_again + 10


def test_time_of_events_that_were_dropped_is_not_claimed(server, peer, fresh_numbers):
    put_feed(peer, "full", silence_max={"seconds": 86_400})
    called = fresh_numbers(3)
    clock = Clock()
    began = clock.now

    async def send() -> None:
        async with stream(server, "full", clock) as sending:
            clock.now += 10
            await heard(sending, began + 10)
            clock.now += 10
            taken = [sending.send(n, CALLER, clock.now - 5, EventKind.CALL) for n in called]
            assert taken == [True, True, False]  # it has room for two
            await sending.flush()
            clock.now += 10
            await heard(sending, began + 30)

    asyncio.run(send())
    wait_until(lambda: status_of(peer, "full").watermark.seconds == began + 30)
    ((lost_from, lost_until),) = gaps_of(peer, "full")
    assert began + 10 <= lost_from <= began + 15 < lost_until < began + 25


def test_interval_of_a_batch_with_a_rejected_event_is_not_claimed(server, peer, fresh_numbers):
    put_feed(peer, "faulty", silence_max={"seconds": 86_400})
    (called,) = fresh_numbers(1)
    clock = Clock()
    began = clock.now

    async def send() -> None:
        async with stream(server, "faulty", clock) as sending:
            clock.now += 10
            await heard(sending, began + 10)
            clock.now += 10
            assert sending.send(12, CALLER, clock.now, EventKind.CALL)
            assert sending.send(called, CALLER, clock.now, EventKind.CALL)
            await sending.flush()
            assert sending.stats.rejected == 1
            clock.now += 10
            await heard(sending, began + 30)

    asyncio.run(send())
    wait_until(lambda: status_of(peer, "faulty").watermark.seconds == began + 30)
    # Its second too, which is in the interval of the next batch.
    assert gaps_of(peer, "faulty") == [(began + 10, began + 21)]


def test_claims_go_on_without_a_gap_when_workers_die(own_server, fresh_numbers):
    (called,) = fresh_numbers(1)
    clock = Clock()
    began = clock.now
    with peer_of(own_server) as peer:
        put_feed(peer, "killed", silence_max={"seconds": 86_400})
        peer.quarantine([called], quarantined_at=[clock.now])

        async def send() -> None:
            async with stream(own_server, "killed", clock) as sending:
                for turn in range(4):
                    clock.now += 10
                    assert sending.send(called, CALLER, clock.now - 5, EventKind.CALL)
                    own_server.kill(f"worker-{turn % 2}")  # of which one has the stream
                    await heard(sending, clock.now)

        asyncio.run(send())
    with peer_of(own_server) as peer:
        wait_until(lambda: status_of(peer, "killed").watermark.seconds == began + 40)
        wait_until(lambda: gaps_of(peer, "killed") == [])
        answer = peer.numbers.GetNumber(numbers.GetNumberRequest(number=called), timeout=10)
        assert len(answer.recent) == 4
