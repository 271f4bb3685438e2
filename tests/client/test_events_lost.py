"""What the server does not take: who sent it learns of it, and no claim holds its time."""

import grpc
from support.feeds_server import NOW, Clock, Server, play, until

from ringfence import EventKind, EventStream
from ringfence.event_batch import EventBatch, pack_event

CALLED = 447700900000
CALLER = 441632960000


def send_some(stream: EventStream, count: int, *, first: int = CALLED, at: int = NOW) -> None:
    for number in range(first, first + count):
        assert stream.send(number, CALLER, at, EventKind.CALL)


def test_who_sends_learns_which_events_the_server_did_not_take() -> None:
    async def story(server: Server, address: str) -> None:
        server.feeds.rejects = {CALLED + 1}
        lost: list[int] = []
        stream = EventStream(
            *(address, "hep-1"),
            batch_events=3,
            on_lost=lambda events: lost.extend(event.called for event in events),
        )
        async with stream:
            send_some(stream, 3)
            await stream.flush()
            assert lost == [CALLED + 1]
            server.feeds.rejects = set(range(CALLED + 10, CALLED + 13))
            send_some(stream, 3, first=CALLED + 10)
            await stream.flush()
            assert lost[1:] == [*range(CALLED + 10, CALLED + 13)]
            server.feeds.refusal = lambda request: (
                grpc.StatusCode.INVALID_ARGUMENT if CALLED + 20 in request.called else None
            )
            send_some(stream, 3, first=CALLED + 20)
            await stream.flush()
            assert lost[4:] == [*range(CALLED + 20, CALLED + 23)]

    play(story)


def test_where_not_all_rejections_are_named_what_stands_behind_may_be_one() -> None:
    batch = EventBatch(1, bytearray(), (0, 0))
    for at in range(6):
        batch.events += pack_event(CALLED + at, CALLER, NOW, 1)
    assert [event.called - CALLED for event in batch.rejected(2, [0, 3])] == [0, 3]
    assert [event.called - CALLED for event in batch.rejected(3, [0, 3])] == [0, 3, 4, 5]
    assert [event.called - CALLED for event in batch.rejected(6, [])] == [*range(6)]
    assert [event.called - CALLED for event in batch.rejected(1, [99])] == [*range(6)]
    assert str(CALLER) not in repr(batch.rejected(6, []))


def test_the_time_of_a_rejected_event_is_in_no_later_claim() -> None:
    async def story(server: Server, address: str) -> None:
        clock = Clock()
        server.feeds.rejects = {CALLED}
        async with EventStream(address, "hep-1", heartbeat_s=0.02, clock=clock) as stream:
            send_some(stream, 1, at=NOW + 2)
            await stream.flush()
            clock.now += 30  # a batch without events says that it is not there
            await until(lambda: server.feeds.claims != [])
            clock.now += 30
            await server.feeds.more(2)
        assert not any(begin <= NOW + 2 < end for begin, end in server.feeds.claims)
        assert server.feeds.claims[-1][1] >= NOW + 30

    play(story)
