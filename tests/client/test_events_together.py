"""Events that are handed over together: all of them or none, and on the wire as one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.feeds_server import NOW, Clock, Server, play

from ringfence import EventStream
from ringfence.event_batch import EventBatch, pack_events
from ringfence.event_buffer import EventBuffer
from ringfence.v1.event_service_pb2 import StreamEventsRequest

CALLED, CALLER = 447700900000, 447700900999

events_of_any_kind = st.lists(
    st.tuples(
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(0, 255),
    ),
    max_size=300,
)


@pytest.mark.slow
@given(events_of_any_kind)
def test_a_request_has_the_events_as_they_were_handed_over(
    events: list[tuple[int, int, int, int]],
) -> None:
    request = EventBatch(7, bytearray(pack_events(events)), (0, 0)).request("hep-1", (5, 9))
    wanted = StreamEventsRequest(feed="hep-1", sequence=7, complete_from=5, watermark=9)
    for called, caller, occurred_at, kind in events:
        wanted.called.append(called)
        wanted.caller.append(caller)
        wanted.occurred_at.append(occurred_at)
        wanted.kind.append(kind)  # type: ignore[arg-type]
    assert request == wanted


def test_each_event_after_the_claim_of_its_time_counts_as_late() -> None:
    buffer = EventBuffer(
        "hep-1", events_max=9, batch_events=4, lateness_s=0, clock=lambda: NOW + 10, since=NOW
    )
    assert buffer.take_all([(CALLED, CALLER, NOW + 5, 1)] * 4)  # its claim ends at NOW + 10
    assert not buffer.take_all([(CALLED, CALLER, NOW + second, 1) for second in (5, 10, 9)])
    assert buffer.late == 2


def test_all_are_taken_or_none_and_none_counts_as_dropped() -> None:
    async def story(server: Server, address: str) -> None:
        events = [(CALLED + at, CALLER, NOW, 1) for at in range(4)]
        async with EventStream(
            address, "hep-1", buffer_events=6, batch_events=3, linger_s=0.01, clock=Clock()
        ) as stream:
            assert stream.send_all(events)
            assert not stream.send_all(events)
            assert stream.send_all(events[:2])
            assert (stream.stats.unanswered, stream.stats.dropped) == (6, 0)
            await stream.flush()
            with pytest.raises(ValueError, match="limit=unsigned"):
                stream.send_all([events[0], (2**64, CALLER, NOW, 1)])
            assert stream.send_all([])
            assert stream.stats.answered == 6

    play(story)
