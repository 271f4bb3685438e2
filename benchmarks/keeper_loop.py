"""How long the keeper's loop is held at most by each kind of work, at the bounds.

    python benchmarks/keeper_loop.py --numbers 10000000 --pools 1024

A keeper in this process, over a table in memory that is full of clean numbers, with its scanner and
a real journal; the clock is told. A task on the loop asks to be woken every millisecond: how much
later it is woken is how long others had to wait. Beside it, how long the loop's thread worked at
most between: where cores are scarce that is what the work itself holds the loop for.

What is proportional to the table is done in threads: its seconds are scaled to 100 million numbers.
A command of 65,536 numbers, the most that one may name, is decided in one turn.

Not measured: gRPC, workers that insert at the same time, K other than 12.
"""

import argparse
import asyncio
import gc
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.message import Message

from ringfence.engine.memory.layout import FEED_INTERVALS_MAX, FEEDS_MAX
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import DAY_S
from ringfence.engine.table.header_rows import quarantine_headers, set_state
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import State
from ringfence.server.config.config import load_config
from ringfence.server.journal.keeper_value_pb2 import KeeperImage, KeptReservation
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.keeper.clock.machine import Machine
from ringfence.server.keeper.keeper import Keeper, open_keeper
from ringfence.server.keeper.reservations.hand_out_merges import merge_due
from ringfence.server.link.drain import Drain
from ringfence.server.link.keeper_service_pb2 import ReportClaimsRequest
from ringfence.server.link.turns import SWITCH_S, Turns
from ringfence.server.state.hand_out_runs import HAND_OUT, Run, RunBuilder
from ringfence.server.state.keeper_image import StoredImage
from ringfence.v1 import number_service_pb2 as numbers_pb
from ringfence.v1 import quarantine_service_pb2 as commands_pb
from ringfence.v1 import types_pb2

LIMIT_MS = 20
SCALED_TO = 100_000_000
FIRST = 999 * 10**9  # country code 999 belongs to nobody
NOW = 1_800_000_000
BATCH = 65_536
FEEDS_A_POOL = 4
LEASE_S = 1_000
HANDED_OUT = 1_000  # at a time
SECONDS = 10  # of reports, and of changes of settings
POLL_S = 0.01

Numbers = npt.NDArray[np.uint64]


def hand_outs(count: int, step: int) -> Run:
    """A run of so many, made in pieces."""
    run = RunBuilder()
    for begin in range(0, count, BATCH):
        rows = np.zeros(min(BATCH, count - begin), HAND_OUT)
        rows["number"] = FIRST + step * np.arange(begin, begin + len(rows))
        rows["assigned_at"] = NOW - DAY_S
        run.put(rows)
    return run.run()


class Asked:
    """The context of a call that nobody made; what is answered in parts is thrown away."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Says nothing."""
        return ()

    async def send_initial_metadata(self, _: object) -> None:
        """Nobody waits for it."""

    async def write(self, _: bytes) -> None:
        """Takes a message."""


class Heartbeat:
    """A task that asks to be woken every millisecond."""

    def __init__(self) -> None:
        self.late_s = self.worked_s = 0.0

    async def beat(self) -> None:
        """Notes how late it is woken at most; never returns."""
        while True:
            began, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            self.late_s = max(self.late_s, time.perf_counter() - began - 0.001)
            self.worked_s = max(self.worked_s, time.thread_time() - worked)


class Bench:
    """A keeper at its bounds."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.now = NOW
        self.keeper: Keeper
        self.segment = Segment.create(None, capacity_numbers=options.numbers)
        self.heartbeat = Heartbeat()
        self.reported = 0
        at = FIRST + np.arange(options.numbers, dtype=np.uint64)
        # The first numbers of each kind, and all others clean: pool by pool, as they were imported.
        self.reserved, rest = at[: options.reservations], at[options.reservations :]
        self.left, self.clean = rest[: options.leaving], rest[options.leaving :]

    def fill(self) -> None:
        """Puts the numbers into the table."""
        writer = TableWriter(self.segment)
        pools = np.array_split(self.clean, self.options.pools)
        for pool, numbers in enumerate(pools):
            self._write(writer, numbers, pool, State.QUARANTINED, NOW - 300 * DAY_S)
        self._write(writer, self.reserved, 0, State.RESERVED, NOW + LEASE_S)
        self._write(writer, self.left, 0, State.ASSIGNED, NOW - 100 * DAY_S)

    def _write(
        self, writer: TableWriter, numbers: Numbers, pool: int, state: State, since: int
    ) -> None:
        for begin in range(0, len(numbers), BATCH):
            part = numbers[begin : begin + BATCH]
            times = np.full(len(part), NOW - 300 * DAY_S, np.uint32)
            headers = quarantine_headers(
                part,
                pool=pool,
                quarantined_at=times,
                observed_since=times,
                reason=np.zeros(len(part), np.uint8),
                now=NOW,
            )
            set_state(headers, state, since)
            writer.apply(headers)

    def image(self) -> StoredImage:
        """As many settings, gaps and reservations as there may be, and hand-outs in two runs."""
        runs = [hand_outs(self.options.hand_outs * 3 // 5, 2)]
        runs.append(hand_outs(self.options.hand_outs * 2 // 5, 3))
        return StoredImage(self._parts(), runs)

    def _parts(self) -> Iterator[KeeperImage]:
        image = KeeperImage(decided_at=NOW - 1, reservations_made=len(self.reserved))
        policy = commands_pb.Policy(name="policy", minimum_coverage=0.1, revision=1)
        policy.rules.add(measure=types_pb2.MEASURE_EVENTS, limit=3).window.seconds = 30 * DAY_S
        image.policies.add(index=0, policy=policy)
        begins = NOW - 3_600 * np.arange(self.options.intervals, 0, -1)
        bounds = np.column_stack([begins, begins + 3_500]).reshape(-1).tolist()
        for feed in range(FEEDS_MAX):
            image.feeds.add(index=feed, feed=commands_pb.Feed(name=f"feed-{feed}", revision=1))
            image.claims.add(feed=feed, bounds=bounds, watermark=bounds[-1])
        self.claimed = bounds[-1]
        for pool in range(self.options.pools):
            feeds = [f"feed-{(pool + i) % FEEDS_MAX}" for i in range(FEEDS_A_POOL)]
            placed = commands_pb.Pool(name=f"pool-{pool}", policy="policy", revision=1)
            placed.required_feeds.extend(feeds)
            image.pools.add(index=pool, pool=placed)
        yield image
        for index, number in enumerate(self.reserved.tolist()):
            kept = KeptReservation(
                id=f"{index:012x}-00000000",
                state=types_pb2.RESERVATION_STATE_ACTIVE,
                numbers=[number],
                created_at=NOW - 60,
                expires_at=NOW + LEASE_S,
                actor="benchmark",
            )
            yield KeeperImage(reservations=[kept.SerializeToString()])

    async def ask(self, method: str, **fields: Any) -> Any:
        """The answer of a method of the keeper."""
        module: Any = numbers_pb if hasattr(numbers_pb, f"{method}Request") else commands_pb
        request: Message = getattr(module, f"{method}Request")(**fields)
        answers = self.keeper.reservations if module is numbers_pb else self.keeper.commands
        answer = await answers[method](request.SerializeToString(), Asked())
        assert answer is not None
        service = next(iter(module.DESCRIPTOR.services_by_name.values()))
        name = service.methods_by_name[method].output_type.name
        return getattr(module, name).FromString(answer)

    # --- the kinds of work ---

    async def first_sweep(self) -> None:
        """All verdicts are new."""
        self.keeper.candidates.scanner.start()
        await self.sweep_again(1)

    async def sweep_again(self, sweeps: int = 2) -> None:
        """One that begins later than now, and ends."""
        scanner = self.keeper.candidates.scanner
        for _ in range(sweeps):
            before = id(scanner.newest)  # to hold it is to let go of it on the loop
            while id(scanner.newest) == before:  # noqa: ASYNC110 - nobody tells of the next one
                await asyncio.sleep(POLL_S)
        await asyncio.sleep(1.0)  # all pools have their new queue

    async def changed_verdicts(self) -> None:
        """Every number of a pool has another verdict; then they have the former one."""
        for age_days in (400, 0):
            policy = commands_pb.Policy(name="other")
            policy.rules.add(measure=types_pb2.MEASURE_EVENTS, limit=3).window.seconds = DAY_S
            policy.minimum_age.seconds = age_days * DAY_S
            await self.ask("PutPolicy", policy=policy)
            await self.ask("PutPool", pool={"name": "pool-0", "policy": "other"})
            await self.sweep_again()

    async def reports(self) -> None:
        """Each feed reports each second that it has sent everything."""
        for _ in range(SECONDS):
            self.now += 1
            self.claimed += 1
            request = ReportClaimsRequest(
                journal="worker-0", after=self.reported, upto=self.reported + 1
            )
            self.reported += 1
            for feed in range(FEEDS_MAX):
                bounds = self.claimed - 1, self.claimed
                request.claims.add(feed=feed, bounds=bounds, watermark=self.claimed)
            data = request.SerializeToString()
            self.keeper.reports.take(ReportClaimsRequest.FromString(data))
            await asyncio.sleep(POLL_S)
            self.keeper.reports.flush()
            await self.keeper.log.settled()
            await self.ask("GetReservation", id=f"{0:012x}-00000000")  # reads the new coverage

    async def descriptions(self) -> None:
        """A pool is described in other words."""
        for text in range(SECONDS):
            fields = {"name": "pool-1", "policy": "policy", "description": str(text)}
            await self.ask("PutPool", pool={**fields, "required_feeds": ["feed-1"]})

    async def policies(self) -> None:
        """The policy of all pools changes."""
        for limit in range(SECONDS):
            policy = commands_pb.Policy(name="policy", minimum_coverage=0.1)
            policy.rules.add(measure=types_pb2.MEASURE_EVENTS, limit=limit).window.seconds = DAY_S
            await self.ask("PutPolicy", policy=policy)

    async def list_feeds(self) -> None:
        """All feeds with a hundred gaps each."""
        await self.ask("ListFeeds")

    async def list_pools(self) -> None:
        """All pools with a forecast of 400 days."""
        await self.ask("ListPools", forecast_days=400, page_size=self.options.pools)

    async def list_reservations(self) -> None:
        """As many as a page may have."""
        await self.ask("ListReservations", page_size=10_000)

    async def leases(self) -> None:
        """They all end in one second."""
        self.now = NOW + LEASE_S
        await self.ask("ListReservations", page_size=1)
        await self.keeper.log.settled()

    async def forgotten(self) -> None:
        """All that have ended were kept for long enough."""
        self.now += 2 * DAY_S
        for _ in range(SECONDS):
            await self.descriptions()

    async def read_image(self) -> None:
        """Everything is given away, as for a snapshot."""
        context: Any = Asked()
        await self.keeper.internal["ReadImage"](b"", context)

    async def merge_hand_outs(self) -> None:
        """As many again as a twentieth are handed out, and all runs merged."""
        book = self.keeper.state.hand_outs
        for begin in range(0, self.options.hand_outs // 20, HANDED_OUT):
            numbers = 2 * FIRST + np.arange(begin, begin + HANDED_OUT, dtype=np.uint64)
            book.add(numbers, at=NOW, pool=1, policy=0)
            await asyncio.sleep(0)
        await merge_due(book, Turns("merges"), NOW)

    async def departures(self) -> None:
        """Numbers leave the table."""
        await self.keeper._departures.let_go()

    async def taken(self) -> None:
        """Ten thousand numbers are reserved and come back."""
        for _ in range(SECONDS):
            made = await self.ask("ReserveNumbers", pool="pool-2", count=min(10_000, self.a_pool))
            await self.ask("CancelReservation", id=made.id)

    async def held(self) -> None:
        """A command of as many numbers as one may have, and the one that takes it back."""
        numbers = self.clean[-65_536:].tolist()
        for method in ("HoldNumbers", "UnholdNumbers"):
            await self.ask(method, numbers=numbers)

    @property
    def a_pool(self) -> int:
        """How many clean numbers there are in each pool, at least."""
        return len(self.clean) // int(self.options.pools)

    def works(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]], bool]]:
        """Names of the kinds of work, what does them, and whether a larger table takes longer."""
        pools, reservations = f"{self.options.pools:,}", f"{len(self.reserved):,}"
        yield "first sweep, all verdicts new", self.first_sweep, True
        yield f"two sweeps of {pools} pools", self.sweep_again, True
        yield f"reserve and cancel 10,000, {SECONDS} times", self.taken, False
        yield "hold and unhold 65,536 numbers", self.held, False
        yield f"sweeps that find {self.a_pool:,} changes", self.changed_verdicts, True
        yield f"{FEEDS_MAX} feeds report, {SECONDS} times", self.reports, False
        yield f"a description changes, {SECONDS} times", self.descriptions, False
        yield f"the policy of {pools} pools, {SECONDS} times", self.policies, False
        yield "ListFeeds, a hundred gaps each", self.list_feeds, False
        yield "ListPools, 400 days", self.list_pools, True
        yield "ListReservations, a page", self.list_reservations, False
        yield f"an image, {self.options.hand_outs:,} hand-outs", self.read_image, False
        yield "hand-outs, and their merges", self.merge_hand_outs, False
        yield f"{reservations} leases end in one second", self.leases, False
        yield f"{reservations} ended ones forgotten", self.forgotten, False
        yield f"{len(self.left):,} numbers leave the table", self.departures, True


async def measure(bench: Bench, folder: Path) -> None:
    """Does every kind of work, and prints how long the loop was held meanwhile."""
    journal = open_journal(folder / "keeper", identity=bytes(16))
    bench.keeper = await open_keeper(
        VerdictReader(bench.segment),
        TableWriter(bench.segment),
        journal,
        Drain(),
        config=load_config(),
        image=bench.image(),
        machine=Machine(
            wall_ns=lambda: bench.now * 10**9,
            boot_ns=lambda: (bench.now - NOW + DAY_S) * 10**9,
            is_synchronised=lambda: True,
        ),
    )
    gc.collect()
    gc.freeze()  # what was loaded lives as long as the keeper
    beating = asyncio.create_task(bench.heartbeat.beat())
    print(f"\n| work | held ms, limit {LIMIT_MS} | of it worked | seconds | at {SCALED_TO:,} |")
    print("|---|---|---|---|---|")
    for name, work, is_scaled in bench.works():
        if bench.options.only and bench.options.only not in name:
            continue
        await asyncio.sleep(0.01)
        bench.heartbeat.late_s = bench.heartbeat.worked_s = 0.0
        began = time.perf_counter()
        await work()
        took_s = time.perf_counter() - began
        await asyncio.sleep(0.01)
        held_ms, worked_ms = bench.heartbeat.late_s * 1e3, bench.heartbeat.worked_s * 1e3
        scaled = f"{took_s * SCALED_TO / bench.options.numbers:.1f}" if is_scaled else ""
        print(f"| {name} | {held_ms:.1f} | {worked_ms:.1f} | {took_s:.2f} | {scaled} |", flush=True)
    beating.cancel()
    await bench.keeper.candidates.scanner.stop()
    journal.close()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--numbers", type=int, default=1_000_000)
    parser.add_argument("--pools", type=int, default=256)
    parser.add_argument("--reservations", type=int, default=200_000)
    parser.add_argument("--leaving", type=int, default=100_000)
    parser.add_argument("--hand-outs", type=int, default=5_000_000)
    parser.add_argument("--intervals", type=int, default=FEED_INTERVALS_MAX, help="of each feed")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--only", default="", help="the kinds of work with this in their name")
    parser.add_argument("--smoke", action="store_true", help="so small that figures mean nothing")
    options = parser.parse_args()
    if options.smoke:
        options.numbers, options.pools = 20_000, 8
        options.reservations, options.leaving, options.hand_outs = 2_000, 5_000, 20_000
        options.intervals = 100
    print(f"command   {shlex.join(['python', *sys.argv])}")
    print(f"machine   {os.cpu_count()} cores, {platform.platform()}")
    print(f"python    {platform.python_version()}, numpy {np.__version__}")
    sys.setswitchinterval(SWITCH_S)  # as the keeper does
    bench = Bench(options)
    bench.fill()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        asyncio.run(measure(bench, Path(folder)))


if __name__ == "__main__":
    main()
