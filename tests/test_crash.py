"""Whatever is killed, whenever: nothing acknowledged is lost, and nothing else appears.

A soak is the same with more rounds: `RINGFENCE_CRASH_ROUNDS=500 pytest tests/test_crash.py -s`.
"""

import os
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import grpc
import pytest
from oracle import greatest
from server_process import DEADLINE_S, Peer, ServerProcess
from siphash import caller_mark as slow_caller_mark

from ringfence.engine.core import NUMBER_MASK, Engine
from ringfence.engine.segment import Segment
from ringfence.engine.words import EventKind
from ringfence.v1 import event_service_pb2 as events
from ringfence.v1 import quarantine_service_pb2 as commands

ROUNDS = int(os.environ.get("RINGFENCE_CRASH_ROUNDS", "12"))
NUMBERS = range(447700900000, 447700901000)
BEGAN = 1_700_000_000
RING_ENTRIES = 12
BATCH_EVENTS = 40
PAUSE_S = 0.02  # before a refused call is made again
UNSURE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

caller_mark = lru_cache(maxsize=None)(slow_caller_mark)

Event = tuple[int, int, int, int]
"""Called, caller, occurred_at, kind."""


class Installation:
    """A server that is killed and started again, always on the same port and data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.address = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        self.server = ServerProcess(
            self._data, "--workers", "2", "--capacity", "2000", listen=self.address
        )
        assert self.server.ready_line.startswith("ringfence ready "), self.server.log
        self.address = self.server.address

    def strike(self, chance: random.Random) -> str:
        """Kills something and, where nobody else would, brings it back."""
        server = self.server
        workers = [server.pid("worker-0"), server.pid("worker-1")]
        target = chance.choice(["worker", "keeper", "workers", "supervisor", "everything"])
        victims = {
            "worker": [chance.choice(workers)],
            "keeper": [server.pid("keeper")],
            "workers": workers,
            "supervisor": [server.process.pid],
            "everything": [*workers, server.pid("keeper"), server.process.pid],
        }[target]
        for pid in victims:
            _kill(pid)
        if server.process.pid in victims:
            server.process.wait()
            server.end()
            self.start()
        return target

    def rings(self) -> dict[int, set[int]]:
        """The entries of each number, straight from shared memory."""
        records = Engine(Segment.open(self.server.run_folder / "segment")).records()
        return {
            int(row["key"]) & NUMBER_MASK: {int(entry) for entry in row["entries"] if entry}
            for row in records
        }

    @property
    def caller_key(self) -> bytes:
        """The key of its caller marks."""
        return (self._data / "caller_key").read_bytes()


class Load(threading.Thread):
    """Makes calls until it is told to stop; what it was answered is in `acknowledged`."""

    def __init__(self, installation: Installation, once: Callable[[Peer], None]) -> None:
        super().__init__(daemon=True)
        self._installation = installation
        self._once = once
        self._stop_it = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """One connection after the other, each until a call fails."""
        while not self._stop_it.is_set():
            peer = Peer(self._installation.address)
            try:
                while not self._stop_it.is_set():
                    self._once(peer)
            except grpc.RpcError as error:
                if error.code() not in UNSURE:
                    self.error = error
                    return
                self._stop_it.wait(PAUSE_S)
            finally:
                peer.channel.close()

    def stop(self) -> None:
        """Waits for the call under way; fails if any answer was not one of those that may be."""
        self._stop_it.set()
        self.join()
        assert self.error is None, self.error


class Feed:
    """Events to numbers that are in quarantine, each batch sent once until the end."""

    def __init__(self, seed: int, quarantined: list[int]) -> None:
        self._chance = random.Random(seed)
        self._quarantined = quarantined
        self.acknowledged: list[Event] = []
        self.unsure: list[list[Event]] = []

    def once(self, peer: Peer) -> None:
        """Sends a new batch."""
        chance = self._chance
        now = int(time.time())
        batch = [
            (
                # Some numbers get far more than their rings hold.
                chance.choice(self._quarantined[: chance.choice((5, 1_000))]),
                441632960000 + chance.randrange(1_000),
                now - chance.randrange(100_000),
                chance.choice((EventKind.CALL, EventKind.SMS, EventKind.A2P_SMS)),
            )
            for _ in range(BATCH_EVENTS)
        ]
        self.unsure.append(batch)
        self.send(peer, batch)
        self.unsure.pop()

    def send(self, peer: Peer, batch: list[Event]) -> None:
        """Sends a batch and takes note of its acknowledgement."""
        called, caller, occurred_at, kind = zip(*batch, strict=True)
        answer = peer.events.RecordEvents(
            events.RecordEventsRequest(
                feed="feed", called=called, caller=caller, occurred_at=occurred_at, kind=kind
            ),
            timeout=DEADLINE_S,
        )
        assert answer.accepted == len(batch), answer
        self.acknowledged += batch


class Operator:
    """Commands: more and more numbers in quarantine, and a policy that counts its changes."""

    def __init__(self) -> None:
        self.quarantined: list[int] = []
        self.puts = 0

    def once(self, peer: Peer) -> None:
        """One command of each kind; both may be repeated."""
        more = NUMBERS[len(self.quarantined) : len(self.quarantined) + 5]
        if more:
            peer.quarantine(list(more), quarantined_at=[BEGAN], observed_since=[BEGAN])
            self.quarantined += more
        peer.commands.PutPolicy(
            commands.PutPolicyRequest(policy=_policy(self.puts + 1)), timeout=DEADLINE_S
        )
        self.puts += 1


def _policy(count: int) -> commands.Policy:
    rule = commands.Rule(measure="MEASURE_EVENTS", limit=3, window={"seconds": 86_400})
    return commands.Policy(name="counter", rules=[rule], description=str(count))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        print(f"gone already: {pid}")


def _lost(feeds: list[Feed], operator: Operator, installation: Installation) -> list[str]:
    """What was acknowledged and is neither there nor displaced by newer events."""
    acknowledged = [event for feed in feeds for event in feed.acknowledged.copy()]
    quarantined = operator.quarantined.copy()
    rings, key = installation.rings(), installation.caller_key
    lost = [f"number {number}" for number in quarantined if number not in rings]
    for called, caller, occurred_at, kind in acknowledged:
        entry = occurred_at << 32 | caller_mark(key, caller) << 8 | kind
        ring = rings.get(called, set())
        displaced = len(ring) == RING_ENTRIES and entry < min(ring)
        if entry not in ring and not displaced:
            lost.append(f"event of {called} at {occurred_at}")
    return lost


def _expected(feeds: list[Feed], key: bytes) -> dict[int, set[int]]:
    """The rings that all acknowledged events make."""
    entries: dict[int, set[int]] = defaultdict(set)
    for called, caller, occurred_at, kind in {e for feed in feeds for e in feed.acknowledged}:
        entries[called].add(occurred_at << 32 | caller_mark(key, caller) << 8 | kind)
    return {number: greatest(each, RING_ENTRIES) for number, each in entries.items()}


@pytest.mark.parametrize("seed", [random.randrange(10**6)])
def test_nothing_acknowledged_is_lost_whatever_is_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    installation = Installation(tmp_path / "data")
    operator = Operator()
    try:
        operator.once(Peer(installation.address))
        feeds = [Feed(seed + i, operator.quarantined) for i in (1, 2)]
        loads = [Load(installation, each.once) for each in (*feeds, operator)]
        for load in loads:
            load.start()
        for round_ in range(ROUNDS):
            time.sleep(chance.uniform(0.05, 0.5))  # work goes on until the next blow
            struck = installation.strike(chance)
            lost = _lost(feeds, operator, installation)
            assert lost == [], f"round {round_} struck {struck}: {lost[:5]}"
        for load in loads:
            load.stop()
        print(f"acknowledged: events={sum(len(feed.acknowledged) for feed in feeds)}")
        assert all(feed.acknowledged for feed in feeds)
        installation.strike(random.Random(0))
        _finish(installation, feeds)
        for last in ("live", "after everything was killed"):
            rings = installation.rings()
            expected = _expected(feeds, installation.caller_key)
            assert {n: ring for n, ring in rings.items() if ring} == expected, last
            assert set(operator.quarantined) <= rings.keys()
            policies = Peer(installation.address).commands.ListPolicies(
                commands.ListPoliciesRequest(), timeout=DEADLINE_S, wait_for_ready=True
            )
            (counter,) = [each for each in policies.policies if each.name == "counter"]
            assert int(counter.description) >= operator.puts
            os.kill(installation.server.process.pid, signal.SIGKILL)
            installation.server.process.wait()
            installation.server.end()
            installation.start()
    finally:
        installation.server.end()
        print(installation.server.log)


def _finish(installation: Installation, feeds: list[Feed]) -> None:
    """Sends again what was not answered."""
    for feed in feeds:
        while feed.unsure:
            peer = Peer(installation.address)
            try:
                feed.send(peer, feed.unsure[-1])
                feed.unsure.pop()
            except grpc.RpcError as error:
                assert error.code() in UNSURE, error
                time.sleep(PAUSE_S)
            finally:
                peer.channel.close()
