"""A server that judges by what one feed reports, and what it should say of calls.csv."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

from oracle import Oracle, Record

from ringfence import Client, Measure, Verdict
from ringfence import Feed as ClientFeed
from ringfence import Policy as ClientPolicy
from ringfence import Pool as ClientPool
from ringfence import Rule as ClientRule
from ringfence.engine.settings.policy import Feed, Policy, Pool, Rule
from ringfence.engine.words import State
from support.programs import PATIENCE_S
from support.server_process import ServerProcess, serving

FEED = "sip-1"
TALKED_TO = 447700900998
"""No call of calls.csv goes there."""
NUMBERS = [number for number in range(447700900000, 447700901000) if number != TALKED_TO]
COVERAGE = 0.999
RULES = ((Measure.EVENTS, 3_600, 1), (Measure.REPEAT_CALLERS, 3_600, 0))
RING_ENTRIES = 60
Span = tuple[int, int]


@contextmanager
def judging_server(folder: Path) -> Iterator[tuple[ServerProcess, Client]]:
    """A server that holds no caller for a robot and believes no silence that FEED did not hear."""
    config = folder / "ringfence.toml"
    config.write_text("[spray]\nnumbers = 0\n")
    options = ("--workers", "1", "--capacity", "2000", "--config", str(config))
    with serving(folder / "data", *options) as running, Client(running.address) as client:
        rules = tuple(
            ClientRule(measure, timedelta(seconds=window_s), limit)
            for measure, window_s, limit in RULES
        )
        client.put_feed(ClientFeed(FEED))
        client.put_policy(ClientPolicy("heard", rules, minimum_coverage=COVERAGE))
        client.put_pool(ClientPool("default", "heard", required_feeds=(FEED,)))
        yield running, client


async def heard_until(client: Client, moment: float) -> tuple[int, list[Span]]:
    """Waits until what FEED claims reaches a moment: until when, and its gaps, oldest first."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            (status,) = [each for each in client.list_feeds() if each.feed.name == FEED]
            if status.watermark and status.watermark.timestamp() >= moment:
                return int(status.watermark.timestamp()), [
                    (int(gap.began_at.timestamp()), int(gap.ended_at.timestamp()))
                    for gap in reversed(status.gaps)
                    if gap.began_at and gap.ended_at
                ]
            await asyncio.sleep(0.1)


def called_so_far(client: Client) -> Counter[int]:
    """How often each number was called, as far as the server knows."""
    found = {number.number: number.events_total for number in client.list_numbers(page_size=10_000)}
    return Counter(
        {number: count for number, count in found.items() if count and number != TALKED_TO}
    )


def numbers_called(calls: Counter[object]) -> Counter[int]:
    """How often each number is called in these."""
    wanted: Counter[int] = Counter()
    for (called, *_), count in calls.items():  # type: ignore[misc]
        wanted[called] += count
    return wanted


async def called_in_all(client: Client, events: int) -> None:
    """Waits until the server has so many events."""
    async with asyncio.timeout(PATIENCE_S):
        while called_so_far(client).total() < events:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@asynccontextmanager
async def small_talk(sip_port: int) -> AsyncIterator[None]:
    """Somebody sends TALKED_TO messages all the while, as silence is claimed only now and then."""
    talking = asyncio.create_task(_talk(sip_port))
    try:
        yield
    finally:
        talking.cancel()
        await asyncio.wait({talking})


async def _talk(sip_port: int) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        udp.bind(("127.0.0.1", 0))
        own = udp.getsockname()[1]
        began = time.monotonic_ns()
        for count in range(1 << 30):
            message = (
                f"MESSAGE sip:+{TALKED_TO}@127.0.0.1:{sip_port} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK-talk-{began}-{count}\r\n"
                "Max-Forwards: 9\r\nFrom: <sip:+441632960009@caller.example>;tag=talk\r\n"
                f"To: <sip:+{TALKED_TO}@quarantine.example>\r\n"
                f"Call-ID: talk-{began}-{count}\r\nCSeq: 1 MESSAGE\r\n"
                "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
            ).encode()
            await loop.sock_sendto(udp, message, ("127.0.0.1", sip_port))
            await asyncio.sleep(0.2)


def verdicts(client: Client, moment: int) -> dict[int, Verdict]:
    """What the server says of each number at a moment."""
    return {each.number: each.verdict for each in client.check_numbers(NUMBERS, at=moment)}


def right_verdicts(
    calls: Counter[object], heard: list[Span], quarantined_at: int, moment: int
) -> dict[int, Verdict]:
    """What the specification says when all was heard in these times but in no others.

    All calls are within one window of the rules, so that it decides nothing when each of them was,
    but that a caller did not call twice within one second.
    """
    oracle = Oracle(RING_ENTRIES, bytes(16))
    oracle.feeds = [Feed(FEED, tuple(heard))]
    rules = tuple(Rule(*rule) for rule in RULES)
    oracle.policies = [Policy("heard", rules, minimum_coverage=COVERAGE)]
    oracle.pools = [Pool("default", "heard", (FEED,))]
    for number in NUMBERS:
        oracle.records[number] = Record(State.QUARANTINED, 0, quarantined_at, quarantined_at)
    for (called, caller, kind), count in calls.items():  # type: ignore[misc]
        for second in range(count):
            at = quarantined_at + second
            assert oracle.insert(called, caller, at, kind, moment) == "accepted"
    found = {}
    for number in NUMBERS:
        answer = oracle.answer(number, moment, moment)
        assert answer is not None
        found[number] = answer.verdict
    return found
