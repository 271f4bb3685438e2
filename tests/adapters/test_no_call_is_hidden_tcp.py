"""Whatever arrives over TCP, and wherever it ends: a call is an event, or its time is lost."""

import asyncio
import random
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reported_calls import Arrival, reports
from support.switch_traffic import AT, ListSink, hep, sip

from ringfence.adapters.hep_listener import HepListener
from ringfence.adapters.hep_reader import HepReader
from ringfence.server.config.address import parse_address
from ringfence.wording.dialled import DialPlan

pytestmark = pytest.mark.slow

PATIENCE_S = 20.0
EXAMPLES = 60


async def sent(pieces: list[bytes]) -> ListSink:
    """What becomes of a connection on which an agent sends these, and then ends it."""
    sink = ListSink()
    listener = HepListener(
        HepReader(DialPlan.of_country(44)), sink, "127.0.0.1", 0, clock=lambda: AT
    )
    where = await listener.open()
    await listener.start()
    incoming, writer = await asyncio.open_connection(*parse_address(where.partition("=")[2]))
    async with asyncio.timeout(PATIENCE_S):
        with suppress(OSError):  # it was closed for what came before
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            writer.write_eof()
            await incoming.read()
    writer.close()
    await listener.close()
    return sink


@settings(max_examples=EXAMPLES)
@given(arrivals=reports(lambda: (AT, 447700900000), wait_s=0), cuts=st.randoms())
def test_a_call_reported_over_tcp_is_an_event_or_lost_time(
    arrivals: list[Arrival], cuts: random.Random
) -> None:
    first = Arrival(0, hep(sip("OPTIONS")), frozenset())  # or it would be no agent's
    arrivals = [first, *arrivals]
    stream = b"".join(arrival.datagram for arrival in arrivals)
    ends = sorted({cuts.randint(0, len(stream)) for _ in range(5)})
    bounds = [0, *ends] if cuts.random() < 0.5 else [0, *ends, len(stream)]
    sink = asyncio.run(sent([stream[begin:end] for begin, end in pairwise(bounds)]))
    events = {event.called for event in sink.sent}
    lost = any(began <= AT < ended for began, ended in sink.lost)
    at = 0
    for arrival in arrivals:
        at += len(arrival.datagram)
        if at > bounds[-1]:
            break
        assert lost or arrival.calls <= events
