"""A feed is cut off for an hour: what it kept leaves no gap, what it lost does, whatever dies."""

import asyncio
import time
from pathlib import Path

import pytest
from support.durable_server import TWO, killed, recovered_from
from support.server_process import (
    CALLER,
    DEADLINE_S,
    Peer,
    ServerProcess,
    peer_of,
    serving,
    wait_until,
)
from support.told_claims import gaps_of, put_feed

from ringfence import EventKind, EventStream
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import types_pb2 as types

pytestmark = pytest.mark.slow

NUMBERS = [447700900000, 447700900001]
FEEDS = ["kept", "lost"]
HOUR_S = 3_600
PATIENT = {"seconds": 86_400}


class Clock:
    """The senders' clock."""

    def __init__(self) -> None:
        self.now = int(time.time()) - 3 * HOUR_S

    def __call__(self) -> float:
        return self.now


class Senders:
    """Two feeds that hear of the same calls; one can keep two of them, the other all."""

    def __init__(self, address: str) -> None:
        self.clock = Clock()
        self.streams = [
            EventStream(
                address,
                feed,
                buffer_events=room,
                heartbeat_s=0.05,
                lateness_s=0,
                linger_s=0.01,
                clock=self.clock,
            )
            for feed, room in zip(FEEDS, (1_000, 2), strict=True)
        ]

    def call(self, after_s: int) -> list[bool]:
        """Somebody calls, so many seconds later; which of the feeds have taken it over."""
        self.clock.now += after_s
        return [
            stream.send(number, CALLER, self.clock.now, EventKind.CALL)
            for number, stream in zip(NUMBERS, self.streams, strict=True)
        ]

    async def claimed(self) -> None:
        """Waits until everything up to now is claimed and answered."""
        async with asyncio.timeout(20):
            for stream in self.streams:
                while _watermark(stream) != self.clock.now:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


def _watermark(stream: EventStream) -> float:
    held = stream.stats.watermark
    return held.timestamp() if held else 0


def quarantine(peer: Peer, since: int) -> None:
    """A number in a pool for each feed, clean when nearly all time since then was listened to."""
    policy = commands.Policy(name="watchful", minimum_coverage=0.999)
    policy.rules.add(measure=types.MEASURE_EVENTS, limit=9).window.seconds = 4 * HOUR_S
    peer.commands.PutPolicy(commands.PutPolicyRequest(policy=policy), timeout=DEADLINE_S)
    for number, feed in zip(NUMBERS, FEEDS, strict=True):
        put_feed(peer, feed, silence_max=PATIENT)
        pool = commands.Pool(name=feed, policy="watchful", required_feeds=[feed])
        peer.commands.PutPool(commands.PutPoolRequest(pool=pool), timeout=DEADLINE_S)
        peer.quarantine([number], pool=feed, quarantined_at=[since], observed_since=[since])


def told(peer: Peer, at: int) -> list[tuple[str, int]]:
    """The verdicts of both numbers, and how many events they had."""
    asked = [
        peer.numbers.GetNumber(numbers.GetNumberRequest(number=number, at=at), timeout=DEADLINE_S)
        for number in NUMBERS
    ]
    return [(types.Verdict.Name(each.verdict)[8:], each.events_total) for each in asked]


def as_it_should_be(server: ServerProcess, cut: int, back: int) -> None:
    """One feed's hour is whole; the other's has a gap from its first lost event to its last."""
    with peer_of(server) as peer:
        wait_until(lambda: gaps_of(peer, "lost") == [(cut + 30, back + 1)])
        wait_until(lambda: gaps_of(peer, "kept") == [])
        wait_until(lambda: told(peer, back + 10) == [("CLEAN", 6), ("UNOBSERVED", 4)])
        # Before anything was lost.
        wait_until(lambda: told(peer, cut + 30) == [("CLEAN", 6), ("CLEAN", 4)])


@pytest.mark.parametrize("machine_goes_down", [False, True])
def test_hour_that_a_feed_has_kept_leaves_no_gap_and_one_that_it_has_lost_does(
    tmp_path: Path, machine_goes_down: bool
) -> None:
    data = tmp_path / "data"

    async def story() -> None:
        with killed(data, *TWO, reboot=machine_goes_down) as server:
            address = server.address
            senders = Senders(address)
            began = senders.clock.now
            with peer_of(server) as peer:
                quarantine(peer, began)
            for stream in senders.streams:
                await stream.__aenter__()
            senders.call(10)
            await senders.claimed()
        cut = senders.clock.now
        assert senders.call(10) == [True, True]
        assert senders.call(10) == [True, True]
        assert senders.call(10) == [True, False]  # it has room for two
        assert senders.call(HOUR_S) == [True, False]
        back = senders.clock.now
        with killed(data, *TWO, "--listen", address, reboot=True) as server:
            assert (recovered_from(server)[0] == "memory") is not machine_goes_down
            await asyncio.gather(*(stream.flush() for stream in senders.streams))
            assert senders.call(10) == [True, True]
            await senders.claimed()
            for stream in senders.streams:
                await stream.__aexit__(None, None, None)
            as_it_should_be(server, cut, back)
        with serving(data, *TWO) as server:
            as_it_should_be(server, cut, back)

    asyncio.run(story())
