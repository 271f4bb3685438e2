"""How long the keeper's event loop is held by what grows with its state, at most.

    python benchmarks/keeper_loop.py --hand-outs 5000000 --reservations 1000000

A keeper is opened in this process, with so many hand-outs in two runs, so many reservations of a
number each, 1,024 pools, 256 policies, and 256 feeds of which each has covered `--intervals`
intervals. Then, each beside a callback that asks to be called every millisecond:

- its image is read to the end, and thrown away;
- numbers are handed out, 1,000 at a time, while the two runs and the new ones are merged.

"held" is the longest time for which the callback had to wait, "of it busy" the longest time on the
processor of the thread in which the loop is, between two calls: what it does itself, whatever else
the machine does. "seconds" is how long the whole took.

Not measured: the making of the state, gRPC, the snapshot process, commands that come meanwhile.
"""

import argparse
import asyncio
import os
import platform
import resource
import shlex
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.server.config.config import load_config
from ringfence.server.journal.keeper_value_pb2 import (
    FeedClaims,
    KeeperImage,
    KeptReservation,
    PlacedFeed,
    PlacedPolicy,
    PlacedPool,
)
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.keeper.keeper import Keeper, open_keeper
from ringfence.server.keeper.reservations.hand_out_merges import merge_due
from ringfence.server.link.drain import Drain
from ringfence.server.link.turns import SWITCH_S, Turns
from ringfence.server.state.hand_out_book import HandOutBook
from ringfence.server.state.hand_out_runs import HAND_OUT, Rows, Run, run_of
from ringfence.server.state.keeper_image import StoredImage
from ringfence.v1 import quarantine_service_pb2 as pb
from ringfence.v1 import types_pb2

FIRST = 999 * 10**9
PERIOD_S = 0.001
HANDED_OUT = 1_000  # at a time
PART = 1_000
PIECE = 1_000_000


def settings(intervals: int) -> Iterator[KeeperImage]:
    """As many policies, pools and feeds as there may be, and what the feeds have covered."""
    rule = pb.Rule(measure=types_pb2.MEASURE_EVENTS, limit=3)
    rule.window.seconds = 86_400
    policies = [pb.Policy(name=f"policy-{i}", rules=[rule] * 8) for i in range(256)]
    feeds = [pb.Feed(name=f"feed-{i}") for i in range(256)]
    required = [feed.name for feed in feeds[:16]]
    pools = [
        pb.Pool(name=f"pool-{i}", policy=f"policy-{i % 256}", required_feeds=required)
        for i in range(1_024)
    ]
    yield KeeperImage(
        policies=[PlacedPolicy(index=i, policy=each) for i, each in enumerate(policies)],
        feeds=[PlacedFeed(index=i, feed=each) for i, each in enumerate(feeds)],
        pools=[PlacedPool(index=i, pool=each) for i, each in enumerate(pools)],
    )
    begin = int(time.time()) - 3 * intervals
    bounds = [begin + 3 * place + end for place in range(intervals) for end in (0, 2)]
    for feed in range(256):
        yield KeeperImage(claims=[FeedClaims(feed=feed, bounds=bounds, watermark=bounds[-1])])


def reservations(count: int) -> Iterator[KeeperImage]:
    """So many, the first tenth of them live."""
    now = int(time.time())
    for first in range(0, count, PART):
        kept = [
            KeptReservation(
                id=f"{place:012x}-{place:08x}",
                state=(types_pb2.RESERVATION_STATE_CONFIRMED, types_pb2.RESERVATION_STATE_ACTIVE)[
                    place < count // 10
                ],
                numbers=[FIRST + place],
                created_at=now,
                expires_at=now + 3_600,
                ended_at=0 if place < count // 10 else now,
                actor="bss",
                request_id=f"request-{place}",
                first_response=bytes(40),
            )
            for place in range(first, min(count, first + PART))
        ]
        yield KeeperImage(
            reservations=[each.SerializeToString() for each in kept],
            reservations_made=len(kept),
        )


def run(count: int, step: int) -> Run:
    """A run of so many hand-outs."""

    def pieces() -> Iterator[Rows]:
        for first in range(0, count, PIECE):
            rows = np.zeros(min(PIECE, count - first), HAND_OUT)
            rows["number"] = FIRST + step * np.arange(first, first + len(rows))
            rows["assigned_at"] = int(time.time())
            yield rows

    return run_of(pieces())


class Nobody:
    """A call's context whose reader throws everything away."""

    def __init__(self) -> None:
        self.size_bytes = 0

    async def write(self, message: bytes) -> None:
        """Takes a message."""
        self.size_bytes += len(message)


async def beside(what: str, work: Awaitable[Any]) -> None:
    """Does something beside the callback, and prints what became of that."""
    held, busy = [0.0], [0.0]
    task = asyncio.ensure_future(work)
    began = time.perf_counter()
    while not task.done():
        wall, thread = time.perf_counter(), time.thread_time()
        await asyncio.sleep(PERIOD_S)
        held.append(time.perf_counter() - wall - PERIOD_S)
        busy.append(time.thread_time() - thread)
    await task
    seconds = time.perf_counter() - began
    print(f"{what:<28}{1e3 * max(held):>9.1f} ms{1e3 * max(busy):>12.1f} ms{seconds:>9.1f}")


async def hand_out(book: HandOutBook, count: int) -> None:
    """Hands numbers out."""
    for first in range(0, count, HANDED_OUT):
        numbers = np.arange(first, first + HANDED_OUT, dtype=np.uint64) + np.uint64(2 * FIRST)
        book.add(numbers, at=int(time.time()), pool=1, policy=2)
        await asyncio.sleep(0)


async def measure(keeper: Keeper, hand_outs: int) -> None:
    """Measures and prints."""
    print(f"{'':<28}{'held':>12}{'of it busy':>15}{'seconds':>9}")
    nobody: Any = Nobody()
    await beside("image", keeper.internal["ReadImage"](b"", nobody))
    book, turns = HandOutBook(most=10 * hand_outs), Turns("merges")
    book.load(keeper.state.hand_outs.runs())
    now = int(time.time())
    await beside(
        "hand-outs, and their merges",
        asyncio.gather(
            hand_out(book, max(HANDED_OUT, hand_outs // 20)), merge_due(book, turns, now)
        ),
    )
    print(f"image     {nobody.size_bytes / 1e6:.1f} MB")
    print(f"memory    {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB at most")


async def main() -> None:
    """Makes the keeper."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--hand-outs", type=int, default=5_000_000)
    parser.add_argument("--reservations", type=int, default=1_000_000)
    parser.add_argument("--intervals", type=int, default=4_097)
    parser.add_argument("--smoke", action="store_true", help="a size at which figures mean nothing")
    given = parser.parse_args()
    if given.smoke:
        given.hand_outs, given.reservations, given.intervals = 20_000, 2_000, 10
    print(f"command   python {shlex.join(sys.argv)}")
    print(f"machine   {platform.machine()}, cores={len(os.sched_getaffinity(0))}")
    sys.setswitchinterval(SWITCH_S)
    segment = Segment.create(None, capacity_numbers=1_000)
    parts = (
        each
        for made in (settings(given.intervals), reservations(given.reservations))
        for each in made
    )
    runs = [run(given.hand_outs * 3 // 5, 2), run(given.hand_outs * 2 // 5, 3)]
    with tempfile.TemporaryDirectory() as folder:
        keeper = await open_keeper(
            VerdictReader(segment),
            TableWriter(segment),
            open_journal(Path(folder, "keeper"), identity=bytes(16)),
            Drain(),
            config=load_config(),
            image=StoredImage(parts, runs),
        )
        await measure(keeper, given.hand_outs)


if __name__ == "__main__":
    asyncio.run(main())
