"""EventStream against a small real server: nothing is lost, nothing is claimed that was."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from support.feeds_server import NOW, Clock, Feeds, Server, play, until

from ringfence import EventKind, EventStream, Internal, Unimplemented, caller_of_text
from ringfence.errors import RingfenceError
from ringfence.v1.event_service_pb2 import StreamEventsRequest, StreamEventsResponse

CALLED = 447700900000
CALLER = 441632960000


def send_some(stream: EventStream, count: int, *, first: int = CALLED, at: int = NOW) -> list[bool]:
    return [stream.send(first + i, CALLER + i, at, EventKind.CALL) for i in range(count)]


def test_events_arrive_as_they_were_handed_over() -> None:
    async def story(server: Server, address: str) -> None:
        async with EventStream(address, "hep-1", batch_events=3, actor="switch-7") as stream:
            for i in range(7):
                assert stream.send(CALLED + i, CALLER, NOW + i, EventKind.SMS)
            await stream.flush()
            assert stream.stats.accepted == 7
            assert stream.stats.unanswered == 0
        requests = server.feeds.requests
        assert [len(r.called) for r in requests] == [3, 3, 1]
        assert server.feeds.called == [CALLED + i for i in range(7)]
        assert [t for r in requests for t in r.occurred_at] == [NOW + i for i in range(7)]
        assert {c for r in requests for c in r.caller} == {CALLER}
        assert {int(k) for r in requests for k in r.kind} == {EventKind.SMS}
        assert {r.feed for r in requests} == {"hep-1"}
        assert server.feeds.metadata["ringfence-actor"] == "switch-7"

    play(story)


def test_an_unfinished_batch_goes_after_the_linger_time() -> None:
    async def story(server: Server, address: str) -> None:
        async with EventStream(address, "hep-1", linger_s=0.01) as stream:
            send_some(stream, 2)
            await until(lambda: stream.stats.accepted == 2)
            send_some(stream, 1)
            await until(lambda: stream.stats.accepted == 3)

    play(story)


def test_events_that_come_together_travel_together() -> None:
    async def story(server: Server, address: str) -> None:
        async with EventStream(address, "hep-1", linger_s=60) as stream:
            for i in range(3):
                send_some(stream, 1, first=CALLED + i)
                await asyncio.sleep(0.02)
            await stream.flush()
        assert [len(r.called) for r in server.feeds.requests] == [3]

    play(story)


def test_unanswered_batches_are_sent_again_in_order_after_a_restart() -> None:
    async def story(server: Server, address: str) -> None:
        server.feeds.answering.clear()
        async with EventStream(address, "hep-1", batch_events=2, claims=False) as stream:
            send_some(stream, 6)
            await until(lambda: len(server.feeds.requests) == 1)
            await server.stop()
            before = server.feeds.requests
            server.feeds = Feeds()
            await server.start()
            await stream.flush()
            assert stream.stats.accepted == 6
            assert stream.stats.resent >= 2
            assert stream.stats.reconnects >= 1
        assert [r.sequence for r in before] == [1]
        assert [r.sequence for r in server.feeds.requests] == [1, 2, 3]
        assert server.feeds.called == [CALLED + i for i in range(6)]

    play(story)


def test_answered_batches_are_not_sent_again() -> None:
    async def story(server: Server, address: str) -> None:
        async with EventStream(address, "hep-1", batch_events=2) as stream:
            send_some(stream, 2)
            await stream.flush()
            await server.stop()
            send_some(stream, 2, first=CALLED + 10)
            await server.start()
            await stream.flush()
        assert server.feeds.called == [CALLED, CALLED + 1, CALLED + 10, CALLED + 11]

    play(story)


def test_a_stream_begins_before_its_server() -> None:
    async def story(server: Server, address: str) -> None:
        await server.stop()
        async with EventStream(address, "hep-1") as stream:
            send_some(stream, 3)
            await until(lambda: stream.stats.reconnects >= 1)
            await server.start()
            await stream.flush()
        assert len(server.feeds.called) == 3

    play(story)


def test_an_outage_leaves_no_small_batches() -> None:
    async def story(server: Server, address: str) -> None:
        await server.stop()
        async with EventStream(address, "hep-1", batch_events=100, linger_s=0.001) as stream:
            for i in range(60):
                send_some(stream, 1, first=CALLED + i)
                await asyncio.sleep(0.002)
            await server.start()
            await stream.flush()
        assert server.feeds.called == [CALLED + i for i in range(60)]
        assert len(server.feeds.requests) <= 17  # what may be on its way, and the rest in one

    play(story)


def test_few_batches_are_on_their_way_at_once() -> None:
    async def story(server: Server, address: str) -> None:
        server.feeds.answering.clear()
        async with EventStream(address, "hep-1", batch_events=1) as stream:
            send_some(stream, 100)
            await until(lambda: stream._buffer.in_flight >= 16)
            await asyncio.sleep(0.02)  # for those that must not follow
            assert stream._buffer.in_flight == 16
            server.feeds.answering.set()
            await stream.flush()
        assert len(server.feeds.requests) == 100

    play(story)


def test_a_full_buffer_drops_and_claims_only_after_that() -> None:
    clock = Clock()

    async def story(server: Server, address: str) -> None:
        server.feeds.answering.clear()
        async with EventStream(
            address, "hep-1", buffer_events=4, batch_events=2, heartbeat_s=0.02, clock=clock
        ) as stream:
            clock.now += 20
            assert send_some(stream, 6, at=NOW + 18) == [True] * 4 + [False] * 2
            assert stream.stats.dropped == 2
            assert stream.stats.unanswered == 4
            server.feeds.answering.set()
            await stream.flush()
            clock.now += 3  # the claim would end before the dropped events
            await server.feeds.more(1)
            clock.now += 20
            await until(lambda: server.feeds.claims[-1][1] == NOW + 38)
        # What was complete before is claimed; NOW + 18 to NOW + 20, the time of the drop, never is.
        assert server.feeds.claims[0] == (NOW, NOW + 15)
        covered = {t for begin, end in server.feeds.claims for t in range(begin, end)}
        assert covered == set(range(NOW, NOW + 18)) | set(range(NOW + 21, NOW + 38))

    play(story)


def test_waiting_for_room_drops_nothing() -> None:
    async def story(server: Server, address: str) -> None:
        async with EventStream(
            address, "hep-1", buffer_events=10, batch_events=4, claims=False
        ) as stream:
            for i in range(1_000):
                await stream.send_wait(CALLED + i % 1_000, CALLER, 1_000_000_000 + i, 1)
                assert stream.stats.unanswered <= 10
            await stream.flush()
            assert stream.stats.accepted == 1_000
            assert stream.stats.dropped == 0
        assert {r.watermark for r in server.feeds.requests} == {0}
        assert {r.complete_from for r in server.feeds.requests} == {0}

    play(story)


def test_a_refused_batch_is_reported_and_skipped(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    culprit = CALLED + 4

    def refusal(request: StreamEventsRequest) -> grpc.StatusCode | None:
        return grpc.StatusCode.INVALID_ARGUMENT if culprit in request.called else None

    async def story(server: Server, address: str) -> None:
        server.feeds.refusal = refusal
        async with EventStream(
            address, "hep-1", batch_events=2, heartbeat_s=0.02, clock=clock
        ) as stream:
            for i in range(4):
                clock.now += 10
                send_some(stream, 2, first=CALLED + 2 * i, at=int(clock.now))
            await stream.flush()
            assert (stream.stats.accepted, stream.stats.refused) == (6, 2)
            assert stream.stats.refused_batches == 1
            clock.now += 10
            await until(lambda: server.feeds.claims[-1][1] == NOW + 45)
        assert sorted(set(server.feeds.called)) == [CALLED + i for i in (0, 1, 2, 3, 6, 7)]
        # Its own interval, NOW + 15 to NOW + 25, and the time of its events, NOW + 30, are gaps.
        covered = {t for begin, end in server.feeds.claims for t in range(begin, end)}
        assert covered == set(range(NOW, NOW + 15)) | set(range(NOW + 31, NOW + 45))

    with caplog.at_level(logging.WARNING, logger="ringfence"):
        play(story)
    assert "sequence=3, events=2" in caplog.text
    assert "44163296" not in caplog.text


def test_only_the_culprits_of_many_batches_are_skipped() -> None:
    def refusal(request: StreamEventsRequest) -> grpc.StatusCode | None:
        return grpc.StatusCode.INVALID_ARGUMENT if request.called[0] % 7 == 0 else None

    async def story(server: Server, address: str) -> None:
        server.feeds.refusal = refusal
        async with EventStream(address, "hep-1", batch_events=1, claims=False) as stream:
            send_some(stream, 100)
            await stream.flush()
            assert stream.stats.accepted + stream.stats.refused == 100
        good = [CALLED + i for i in range(100) if (CALLED + i) % 7]
        assert stream.stats.refused_batches == 100 - len(good)
        assert sorted(set(server.feeds.called)) == good

    play(story)


def test_heartbeats_claim_side_by_side() -> None:
    clock = Clock()

    async def story(server: Server, address: str) -> None:
        async with EventStream(
            address, "hep-1", heartbeat_s=0.01, lateness_s=5.0, clock=clock
        ) as stream:
            await until(lambda: server.feeds.requests)
            assert server.feeds.claims == []  # it has not listened for lateness_s yet
            for step in range(1, 4):
                clock.now = NOW + 10.5 * step
                await server.feeds.more(2)
            assert stream.stats.watermark == datetime.fromtimestamp(NOW + 26, UTC)
        assert server.feeds.claims == [
            (NOW, NOW + 5),
            (NOW + 5, NOW + 16),
            (NOW + 16, NOW + 26),
        ]
        assert server.feeds.called == []

    play(story)


def test_heartbeats_go_on_while_somebody_asks_for_answers_all_the_time() -> None:
    async def story(server: Server, address: str) -> None:
        async with EventStream(address, "hep-1", heartbeat_s=0.2) as stream:

            async def ask() -> None:
                while True:
                    await stream.flush()
                    await asyncio.sleep(0.01)

            asking = asyncio.create_task(ask())
            await until(lambda: len(server.feeds.requests) >= 3)
            asking.cancel()
        assert server.feeds.called == []

    play(story)


def test_a_clock_that_goes_back_claims_nothing_twice() -> None:
    clock = Clock()

    async def story(server: Server, address: str) -> None:
        async with EventStream(address, "hep-1", batch_events=1, clock=clock) as stream:
            for now in (NOW + 20, NOW + 10, NOW + 30):
                clock.now = now
                send_some(stream, 1, at=now)
            await stream.flush()
        assert server.feeds.claims == [(NOW, NOW + 15), (NOW + 15, NOW + 25)]

    play(story)


def test_an_event_after_the_claim_of_its_time_is_counted_late() -> None:
    clock = Clock()

    async def story(server: Server, address: str) -> None:
        async with EventStream(address, "hep-1", batch_events=1, clock=clock) as stream:
            clock.now += 20
            send_some(stream, 1, at=NOW + 15)
            send_some(stream, 1, at=NOW + 14)  # the first batch has NOW to NOW + 15
            send_some(stream, 1, at=NOW - 1)  # before the stream, never claimed
            await stream.flush()
            assert (stream.stats.accepted, stream.stats.late) == (3, 1)

    play(story)


def test_rejected_events_are_counted_with_the_first_reasons() -> None:
    async def story(server: Server, address: str) -> None:
        server.feeds.rejects = {CALLED + 1}
        async with EventStream(address, "hep-1") as stream:
            send_some(stream, 3)
            await stream.flush()
            assert (stream.stats.accepted, stream.stats.rejected) == (2, 1)
            assert stream.stats.rejections == ("called: bound",)

    play(story)


def test_stream_that_a_busy_server_cancels_goes_on() -> None:
    async def story(server: Server, address: str) -> None:
        refusals = iter([grpc.StatusCode.CANCELLED, grpc.StatusCode.CANCELLED])
        server.feeds.refusal = lambda _: next(refusals, None)
        async with EventStream(address, "hep-1") as stream:
            send_some(stream, 3)
            await stream.flush()
            assert (stream.stats.accepted, stream.stats.dropped) == (3, 0)
        assert server.feeds.streams == 3

    play(story)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.UNIMPLEMENTED, Unimplemented),
        (grpc.StatusCode.PERMISSION_DENIED, Internal),
        (grpc.StatusCode.ABORTED, Internal),
        (grpc.StatusCode.OK, Internal),  # a server may not end a stream just so
    ],
)
def test_any_other_status_stops_the_stream(
    code: grpc.StatusCode, error: type[RingfenceError]
) -> None:
    async def story(server: Server, address: str) -> None:
        server.feeds.refusal = lambda _: code
        with pytest.raises(error):
            async with EventStream(address, "hep-1") as stream:
                send_some(stream, 1)
                with pytest.raises(error):
                    await stream.flush()
                with pytest.raises(error):
                    await stream.wait_stopped()
                with pytest.raises(error):
                    await stream.send_wait(CALLED, CALLER, NOW, 1)
                assert not stream.send(CALLED, CALLER, NOW, 1)
                assert stream.stats.dropped == 1
                assert stream.stats.unanswered == 1
        assert server.feeds.streams == 1

    play(story)


def test_an_answer_to_another_batch_stops_the_stream() -> None:
    class Confused(Feeds):
        async def StreamEvents(
            self, requests: AsyncIterator[StreamEventsRequest], context: Any
        ) -> AsyncIterator[StreamEventsResponse]:
            async for request in requests:
                yield StreamEventsResponse(sequence=request.sequence + 1)

    async def story(server: Server, address: str) -> None:
        await server.stop()
        server.feeds = Confused()
        await server.start()
        with pytest.raises(Internal, match="out of order"):
            async with EventStream(address, "hep-1") as stream:
                send_some(stream, 1)

    play(story)


def test_an_exception_leaves_the_stream_without_waiting() -> None:
    async def story(server: Server, address: str) -> None:
        server.feeds.answering.clear()
        with pytest.raises(KeyError):
            async with EventStream(address, "hep-1") as stream:
                send_some(stream, 1)
                raise KeyError
        assert stream.stats.unanswered == 1

    play(story)


def test_integers_that_do_not_fit_are_refused_without_being_named() -> None:
    async def story(server: Server, address: str) -> None:
        async with EventStream(address, "hep-1") as stream:
            for event in (
                (CALLED, 2**64, NOW, 1),
                (-1, CALLER, NOW, 1),
                (CALLED, CALLER, 2**32, 1),
                (CALLED, CALLER, NOW, 256),
            ):
                with pytest.raises(ValueError, match="event out of range") as raised:
                    stream.send(*event)
                assert str(CALLER) not in str(raised.value)
                assert str(2**64) not in str(raised.value)
            send_some(stream, 1)
            await stream.flush()
        assert server.feeds.called == [CALLED]

    play(story)


@pytest.mark.parametrize("feed", ["", "Hep", "-hep", "hep 1", "h" * 64])
def test_a_bad_feed_name_is_refused_at_once(feed: str) -> None:
    async def story() -> None:
        with pytest.raises(ValueError, match="bad feed name"):
            EventStream("127.0.0.1:1", feed)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("buffer_events", 0),
        ("linger_s", -0.1),
        ("lateness_s", -5.0),
        ("lateness_s", math.nan),
        ("heartbeat_s", 0.0),
        ("heartbeat_s", math.inf),
    ],
)
def test_an_option_out_of_its_bounds_is_refused_at_once(option: str, value: float) -> None:
    options: Any = {option: value}

    async def story() -> None:
        with pytest.raises(ValueError, match=f"{option}={value}, bound="):
            EventStream("127.0.0.1:1", "hep-1", **options)

    asyncio.run(story())


def test_a_text_sender_becomes_64_bits_with_the_top_one_set() -> None:
    # printf bank | sha256sum begins with 4381dc2ab1428516
    assert caller_of_text("bank") == 0xC381DC2AB1428516
    assert caller_of_text("bank") == caller_of_text(" BANK\n")
    assert caller_of_text("bank") != caller_of_text("banks")
    assert caller_of_text("straße") == caller_of_text("STRASSE")
