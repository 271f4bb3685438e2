"""The server whose numbers come and go: its settings, its events, and all that it says."""

import argparse
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
from churn_numbers import DEADLINE_S, Numbers, Turnover
from feeds import FIRST_CALLER, FIRST_NUMBER, channel_to, message, send
from server_processes import Server

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Policy, Pool
from ringfence.engine.table.records import state_hash
from ringfence.server.folder.data_folder import SHARED_MEMORY
from ringfence.server.folder.secret_file import read_secret
from ringfence.v1 import event_service_pb2 as events
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import number_service_pb2_grpc as numbers_grpc
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import quarantine_service_pb2_grpc as commands_grpc
from ringfence.v1 import types_pb2 as types

AHEAD = 8
BATCH = 4_096
BATCHES_A_SECOND = 4
PAST_S = 600
IN, LEFT = 0.6, 0.9
CHECKED = 100_000
CONFIG = """
[snapshot]
interval = "{interval_s}s"
[queue]
left_kept = "{kept_s}s"
reservations_kept = "60s"
"""
INTERVAL_S_LEAST, INTERVAL_S_MOST, KEPT_S_MOST = 10, 300, 5


class Installation:
    """A data folder, and how its server is started."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._data = folder / "data"
        config = folder / "ringfence.toml"
        self.kept_s = max(1, min(KEPT_S_MOST, round(options.seconds / 12)))
        """So long an assigned number stays, and until the server looks for it as long again."""
        interval_s = max(INTERVAL_S_LEAST, min(INTERVAL_S_MOST, round(options.seconds / 12)))
        config.write_text(CONFIG.format(interval_s=interval_s, kept_s=self.kept_s))
        self._options = (
            *("--workers", str(options.workers), "--capacity", str(options.capacity)),
            *("--config", str(config)),
        )

    def start(self) -> Server:
        """Starts a server and waits until it is ready."""
        return Server(self._data, *self._options)

    @property
    def run_folder(self) -> Path:
        """Its folder in shared memory."""
        return SHARED_MEMORY / f"ringfence-{read_secret(self._data / 'folder_id').hex()}"

    @property
    def caller_key(self) -> bytes:
        """The key of its caller marks."""
        return read_secret(self._data / "caller_key")

    def put_settings(self, server: Server, policies: list[Policy], pools: list[Pool]) -> None:
        """Puts policies and pools."""
        with grpc.insecure_channel(server.address) as channel:
            stub = commands_grpc.QuarantineServiceStub(channel)
            for policy in policies:
                put = commands.Policy(
                    name=policy.name,
                    rules=[
                        commands.Rule(
                            measure=types.Measure.Name(rule.measure),
                            kinds=[types.EventKind.Name(kind) for kind in rule.kinds],
                            window={"seconds": rule.window_s},
                            limit=rule.limit,
                        )
                        for rule in policy.rules
                    ],
                    minimum_age={"seconds": policy.minimum_age_s},
                    quiet_period={"seconds": policy.quiet_period_s},
                )
                stub.PutPolicy(commands.PutPolicyRequest(policy=put), timeout=DEADLINE_S)
            for pool in pools:
                put_pool = commands.Pool(name=pool.name, policy=pool.policy)
                stub.PutPool(commands.PutPoolRequest(pool=put_pool), timeout=DEADLINE_S)


class Feed(threading.Thread):
    """A stream of events to one worker: to numbers that are in, that left and that never came."""

    def __init__(self, address: str, worker: int, turnover: Turnover, rate: float) -> None:
        """`rate` is in events a second."""
        super().__init__(daemon=True)
        self._address = address
        self._worker = worker
        self._turnover = turnover
        self._batch = max(1, min(BATCH, round(rate / BATCHES_A_SECOND)))
        self._period_s = self._batch / rate
        self.ending = threading.Event()
        self.error: BaseException | None = None
        self.accepted = 0
        self.untracked = 0

    @staticmethod
    def called(turnover: Turnover, chance: np.random.Generator, count: int) -> Numbers:
        """Numbers for events to go to; many of the oldest that are in, which leave next."""
        inside = list(turnover.inside)
        chosen = chance.choice(np.concatenate(inside), count)
        share = chance.random(count)
        came = chance.integers(FIRST_NUMBER, turnover.new, count, np.uint64)
        never = chance.integers(turnover.new, turnover.new + 100_000, count, np.uint64)
        leaving = chance.choice(np.concatenate(inside[:2]), count)
        chosen = np.where(share < IN / 10, leaving, chosen)
        return np.where(share < IN, chosen, np.where(share < LEFT, came, never))

    def run(self) -> None:
        """Until `ending`, or an error."""
        try:
            channel = channel_to(self._address, self._worker)
            for each in send(channel, self._messages(), AHEAD):
                answer = events.StreamEventsResponse.FromString(each)
                if answer.rejected:
                    raise SystemExit(f"rejected: {answer}")
                self.accepted += answer.accepted
                self.untracked += answer.untracked
            channel.close()
        except BaseException as error:
            self.error = error

    def _messages(self) -> Iterator[bytes]:
        chance = np.random.default_rng(self._worker)
        due, sequence = time.monotonic(), 0
        while not self.ending.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._period_s, time.monotonic() - 10 * self._period_s)
            called = self.called(self._turnover, chance, self._batch)
            caller = FIRST_CALLER + 3 * (called - FIRST_NUMBER)  # nobody is a robot
            caller += chance.integers(0, 3, len(called), np.uint64)
            times = int(time.time()) - chance.integers(0, PAST_S, len(called))
            kinds = chance.integers(1, 7, len(called), np.uint8)
            yield message(sequence, called, caller, times.astype(np.uint32), kinds)
            sequence += 1


class Listing:
    """All that a server says of its numbers, and the hash of the state."""

    def __init__(self, server: Server, run_folder: Path, numbers: Numbers, at: int) -> None:
        """Events and commands have ended; verdicts are those at a moment behind them."""
        self.numbers = np.sort(numbers)
        self._state = state_hash(Segment.open(run_folder / "segment"))
        with grpc.insecure_channel(server.address) as channel:
            stub = numbers_grpc.NumberServiceStub(channel)
            self._listed = _listed(stub)
            self._verdicts = _verdicts(stub, self.numbers, at)
        if [each[0] for each in self._listed] != self.numbers.tolist():
            raise SystemExit(f"listed={len(self._listed)}, came and not gone={len(numbers)}")

    def differences(self, other: "Listing") -> list[str]:
        """What is not the same in another one of the same moment."""
        compared = {
            "state hash": self._state == other._state,
            "list": self._listed == other._listed,
            "verdicts": self._verdicts == other._verdicts,
            "numbers": self.numbers.tolist() == other.numbers.tolist(),
        }
        return [name for name, same in compared.items() if not same]


def _listed(stub: numbers_grpc.NumberServiceStub) -> list[tuple[int, str, int, int]]:
    """Number, pool, quarantined_at and the newest event of each, by number."""
    found, token = [], ""
    while True:
        request = pb.ListNumbersRequest(page_size=10_000, page_token=token)
        page = stub.ListNumbers(request, timeout=DEADLINE_S)
        found += [
            (each.number, each.pool, each.quarantined_at.seconds, each.last_event_at.seconds)
            for each in page.numbers
        ]
        token = page.next_page_token
        if not token:
            return sorted(found)


def _verdicts(
    stub: numbers_grpc.NumberServiceStub, numbers: Numbers, at: int
) -> list[tuple[int, int]]:
    """Verdict and clean_at of each."""
    found: list[tuple[int, int]] = []
    for first in range(0, len(numbers), CHECKED):
        request = pb.CheckNumbersRequest(numbers=numbers[first : first + CHECKED].tolist(), at=at)
        answer = stub.CheckNumbers(request, timeout=DEADLINE_S)
        found += zip(answer.verdicts, answer.clean_at, strict=True)
    return found


def take_snapshot(server: Server) -> None:
    """Has a snapshot taken and waits for its end."""
    ended = server.log_path.read_text().count("snapshot ended: ")
    server.process.send_signal(signal.SIGUSR1)
    while server.log_path.read_text().count("snapshot ended: ") == ended:
        time.sleep(0.05)


def memory_mib(server: Server, role: str) -> float:
    """Memory that processes of a role have to themselves."""
    newest = dict(re.findall(rf"started ({role}\S*): pid=(\d+)", server.log_path.read_text()))
    return (
        sum(
            int(re.findall(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0])
            for pid in newest.values()
        )
        / 1_024
    )
