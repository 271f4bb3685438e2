"""Feeds and an operator at work while a server is struck down, and what it must have afterwards."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import grpc
from oracle import greatest

from ringfence.engine.memory.layout import NUMBER_MASK
from ringfence.engine.memory.segment import Segment, SegmentError
from ringfence.engine.settings.reading import read_policies
from ringfence.engine.words import EventKind
from ringfence.server.config.config import load_config
from ringfence.server.folder.secret_file import read_secret
from ringfence.v1 import event_service_pb2 as events
from ringfence.v1 import quarantine_service_pb2 as commands
from support.engine import Engine
from support.long_ago import LONG_AGO
from support.server_process import DEADLINE_S, Peer, ServerProcess, wait_until
from support.siphash import caller_mark as slow_caller_mark

NUMBERS = range(447700900000, 447700901000)
RING_ENTRIES = load_config().server.ring_entries
BATCH_EVENTS = 40
COUNTER = "counter"
PAUSE_S = 0.02  # before a refused call is made again
UNSURE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

caller_mark = lru_cache(maxsize=None)(slow_caller_mark)

Event = tuple[int, int, int, int]
"""Called, caller, occurred_at, kind."""


class Feed:
    """Events to numbers that are in quarantine, each batch sent once until the end."""

    def __init__(self, seed: int, quarantined: list[int], caller_key: bytes) -> None:
        self._chance = random.Random(seed)
        self._quarantined = quarantined
        self._caller_key = caller_key
        self.acknowledged = 0
        """How many events."""
        self.rings: dict[int, set[int]] = {}
        """The newest entries that they make, by number; a set in it is never changed."""
        self.unsure: list[list[Event]] = []
        """Batches that were sent and not answered."""

    def once(self, peer: Peer) -> None:
        """Sends a new batch."""
        chance = self._chance
        now = int(time.time())
        # Some numbers get far more than their rings hold.
        called = [
            chance.choice(self._quarantined[: chance.choice((5, 1_000))])
            for _ in range(BATCH_EVENTS)
        ]
        batch = [
            (
                number,
                441632960000 + number % 300 * 3 + chance.randrange(3),  # nobody is a robot
                now - chance.randrange(100_000),
                chance.choice((EventKind.CALL, EventKind.SMS, EventKind.A2P_SMS)),
            )
            for number in called
        ]
        self.unsure.append(batch)
        self._send(peer, batch)
        self.unsure.pop()

    def repeat(self, peer: Peer) -> None:
        """Sends again what was not answered."""
        while self.unsure:
            self._send(peer, self.unsure[-1])
            self.unsure.pop()

    def _send(self, peer: Peer, batch: list[Event]) -> None:
        called, caller, occurred_at, kind = zip(*batch, strict=True)
        answer = peer.events.RecordEvents(
            events.RecordEventsRequest(
                feed="feed", called=called, caller=caller, occurred_at=occurred_at, kind=kind
            ),
            timeout=DEADLINE_S,
        )
        assert answer.accepted == len(batch), answer
        for number, caller_number, time_, kind_ in batch:
            entry = time_ << 32 | caller_mark(self._caller_key, caller_number) << 8 | kind_
            ring = self.rings.get(number, set()) | {entry}
            self.rings[number] = greatest(ring, RING_ENTRIES)
        self.acknowledged += len(batch)


class Operator:
    """Commands: more and more numbers in quarantine, and a policy that counts its changes."""

    def __init__(self) -> None:
        self.quarantined: list[int] = []
        self.puts = 0

    def once(self, peer: Peer) -> None:
        """One command of each kind; both may be repeated."""
        more = NUMBERS[len(self.quarantined) : len(self.quarantined) + 5]
        if more:
            peer.quarantine(list(more), quarantined_at=[LONG_AGO], observed_since=[LONG_AGO])
            self.quarantined += more
        peer.commands.PutPolicy(
            commands.PutPolicyRequest(policy=_policy(self.puts + 1)), timeout=DEADLINE_S
        )
        self.puts += 1


class _Load(threading.Thread):
    def __init__(self, address: str, worker: int | None, once: Callable[[Peer], None]) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._worker = worker
        self._once = once
        self.ending = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """One connection after the other, each until a call fails."""
        while not self.ending.is_set():
            peer = Peer(self._address)
            try:
                # Asked of every connection: a server that is away shall not cost a batch each time.
                worker = peer.worker()
                while not self.ending.is_set() and self._worker in (None, worker):
                    self._once(peer)
            except grpc.RpcError as error:
                if error.code() not in UNSURE:
                    self.error = error
                    return
                self.ending.wait(PAUSE_S)
            except BaseException as error:
                self.error = error
                return
            finally:
                peer.channel.close()


@contextmanager
def working(
    address: str, feeds: Sequence[Feed], operator: Operator, *, workers: int | None = None
) -> Iterator[None]:
    """All of them call again and again, and meanwhile the server may come and go.

    With `workers` each feed stays with one worker, in turn. Fails when any answer was not one of
    those that may be.
    """
    loads = [_Load(address, None, operator.once)]
    for index, feed in enumerate(feeds):
        loads.append(_Load(address, index % workers if workers else None, feed.once))
    for load in loads:
        load.start()
    try:
        yield
    finally:
        for load in loads:
            load.ending.set()
        for load in loads:
            load.join()
    assert [load.error for load in loads if load.error] == []


def finish(address: str, feeds: Iterable[Feed]) -> None:
    """Sends again what was not answered, until it is."""
    for feed in feeds:
        while feed.unsure:
            peer = Peer(address)
            try:
                feed.repeat(peer)
            except grpc.RpcError as error:
                assert error.code() in UNSURE, error
                time.sleep(PAUSE_S)
            finally:
                peer.channel.close()


def rings_of(server: ServerProcess) -> dict[int, set[int]]:
    """The entries of each number, straight from shared memory."""
    records = Engine(Segment.open(server.run_folder / "segment")).records()
    return {
        int(row["key"]) & NUMBER_MASK: {int(entry) for entry in row["entries"] if entry}
        for row in records
    }


def caller_key_of(server: ServerProcess) -> bytes:
    """The key of its caller marks."""
    return read_secret(server.data / "caller_key")


def expected_rings(feeds: Iterable[Feed]) -> dict[int, set[int]]:
    """The rings that all acknowledged events make."""
    entries: dict[int, set[int]] = defaultdict(set)
    for feed in feeds:
        for number, ring in feed.rings.copy().items():
            entries[number] |= ring
    return {number: greatest(each, RING_ENTRIES) for number, each in entries.items()}


def lost(feeds: Iterable[Feed], operator: Operator, server: ServerProcess) -> list[str]:
    """What was acknowledged and is neither there nor displaced by newer events."""
    expected, quarantined, puts = expected_rings(feeds), operator.quarantined.copy(), operator.puts
    rings = rings_of(server)
    missing = [f"number {number}" for number in quarantined if number not in rings]
    for number, entries in expected.items():
        ring = rings.get(number, set())
        missing += [
            f"event of {number} at {entry >> 32}"
            for entry in entries - ring
            if len(ring) < RING_ENTRIES or entry > min(ring)
        ]
    if (held := _puts_held(server)) < puts:
        missing.append(f"policy: put={held}, acknowledged={puts}")
    return missing


def _puts_held(server: ServerProcess) -> int:
    """How often the policy was put, as shared memory says once its keeper is there."""
    segment = Segment.open(server.run_folder / "segment")
    found: list[str] = []

    def read() -> bool:
        try:
            policies = read_policies(segment)
        except SegmentError:  # a keeper died while it wrote them
            return False
        found.extend(each.description for each in policies if each and each.name == COUNTER)
        return True

    wait_until(read)
    return int(*found)  # 0 without it


def _policy(count: int) -> commands.Policy:
    rule = commands.Rule(measure="MEASURE_EVENTS", limit=3, window={"seconds": 86_400})
    return commands.Policy(name=COUNTER, rules=[rule], description=str(count))
