"""Whatever is killed, whenever: a bulk command is done for all of its numbers, once, or for none.

A soak is the same for longer:
`RINGFENCE_BULK_S=600 pytest -n 0 -s tests/server/recovery/test_bulk_kills.py`.
"""

import os
import random
import shutil
import signal
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.bulk_client import BLOCK, RESTORES_MAX, BulkClient
from support.run_seed import run_seed
from support.server_process import DEADLINE_S, ServerProcess, peer_of, wait_until

from ringfence.server.folder.data_folder import hold_data_folder
from ringfence.v1 import number_service_pb2 as pb

pytestmark = pytest.mark.slow

WORK_S = float(os.environ.get("RINGFENCE_BULK_S", "10"))
CLIENTS = 3
CLAIMED = " (claimed)"  # as the history marks a name that nobody has proved
CONFIG = """
[snapshot]
interval = "1d"
[[policy]]
name = "default"
minimum_age = "1000d"
minimum_coverage = 0.95
[[policy.rule]]
measure = "EVENTS"
window = "1d"
limit = 1
[[pool]]
name = "default"
policy = "default"
required_feeds = []
[[pool]]
name = "other"
policy = "default"
required_feeds = []
"""


class Installation:
    """A server that is killed and started again, always on the same port and data folder."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._config = folder / "bulk.toml"
        self._config.write_text(CONFIG)
        self.address = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        capacity = CLIENTS * (RESTORES_MAX + 1) * BLOCK
        self.server = ServerProcess(
            self._data,
            *("--config", str(self._config), "--workers", "2", "--capacity", str(capacity)),
            listen=self.address,
        )
        assert self.server.ready_line.startswith("ringfence ready "), self.server.log
        self.address = self.server.address

    def strike(self, blow: str) -> None:
        """Kills the keeper, or all; after `power` nothing is left of what was in memory."""
        server = self.server
        keeper = server.pid("keeper")
        if blow == "keeper":
            if f" pid={keeper} role=keeper ready" in server.log:  # or it would never begin
                with suppress(ProcessLookupError):
                    os.kill(keeper, signal.SIGKILL)
            return
        for pid in (server.pid("worker-0"), keeper, server.pid("worker-1"), server.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        server.process.wait()
        self.restart(reboot=blow == "power")

    def restart(self, *, reboot: bool) -> None:
        """Starts it once more when it has ended."""
        run_folder = self.server.run_folder
        self.server.end()
        with hold_data_folder(self._data):  # free only when the last process is gone
            if reboot:
                shutil.rmtree(run_folder, ignore_errors=True)
        self.start()


@pytest.mark.parametrize("seed", [run_seed()])
def test_bulk_command_is_whole_whatever_is_killed(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    installation = Installation(tmp_path)
    ending = threading.Event()
    clients = [BulkClient(installation.address, name, seed, ending) for name in range(CLIENTS)]
    try:
        for client in clients:
            client.start()
        blows = strike_on(installation, clients, ending, dice)
        changes = Counter(change.command for client in clients for change in client.changes)
        unsure = sum(client.unsure for client in clients)
        print(f"seed={seed} blows={dict(blows)} commands={dict(changes)} unsure={unsure}")
        for client in clients:
            if client.error is not None:
                raise client.error
        check_states(clients)
        check_history(installation, clients)
        assert installation.server.stop() == 0
        installation.restart(reboot=True)
        check_states(clients)
    finally:
        ending.set()
        for client in clients:
            client.join()
            client.close()
        installation.server.end()
        print(installation.server.log[-5_000:])


def strike_on(
    installation: Installation,
    clients: list[BulkClient],
    ending: threading.Event,
    dice: random.Random,
) -> Counter[str]:
    """Strikes at random moments until it is time to end; how often what."""
    blows: Counter[str] = Counter()
    due = ["keeper", "keeper", "everything", "keeper", "power"]  # at least
    began = time.monotonic()
    while not ending.is_set() and (due or time.monotonic() < began + WORK_S):
        done = begun(clients)
        wait_until(lambda: ending.is_set() or begun(clients) > done)  # noqa: B023
        ending.wait(dice.uniform(0, 0.6))
        blow = due.pop(0) if due else dice.choice(("keeper",) * 6 + ("everything", "power"))
        installation.strike(blow)
        blows[blow] += 1
    ending.set()
    for client in clients:
        client.join()
    return blows


def begun(clients: list[BulkClient]) -> int:
    """How many commands there were so far."""
    return sum(len(client.changes) for client in clients)


def check_states(clients: list[BulkClient]) -> None:
    """Every block is as its client's last command left it, and those before it as they left."""
    for client in clients:
        last = {change.first: change.after for change in client.changes}
        for first, condition in last.items():
            wait_until(lambda: client.conditions(first) == {condition})  # noqa: B023


def check_history(installation: Installation, clients: list[BulkClient]) -> None:
    """It has each change once, for all numbers, by one of the tries for it, and no other."""
    database = installation.server.data / "history.db"
    expected = [change for client in clients for change in client.changes]
    with closing(sqlite3.connect(database)) as history:
        wait_until(lambda: len(written(history)) >= len(expected))
        rows = written(history)
    by_try = {who: change for change in expected for who in change.tries}
    for actor, command, count, different, least, most, previous, current in rows:
        change = by_try[actor.removesuffix(CLAIMED)]
        assert command == change.command
        assert (count, different, least, most) == (
            *(BLOCK, BLOCK),
            *(change.first, change.first + BLOCK - 1),
        ), (actor, change)
        assert (previous, current) == (
            f"{change.before.verdict}",
            f"{change.after.verdict}",
        ), (actor, change)
    assert len(rows) == len(expected)
    assert len({id(by_try[row[0].removesuffix(CLAIMED)]) for row in rows}) == len(expected)
    with peer_of(installation.server) as peer:
        for client in clients:
            number = client.first + BLOCK // 3
            told = peer.numbers.ListHistory(
                pb.ListHistoryRequest(number=number, since=Timestamp(), page_size=1_000),
                timeout=DEADLINE_S,
            )
            did = [change for change in client.changes if change.first == client.first]
            assert [(e.command, e.previous, e.current) for e in told.entries][::-1] == [
                (change.command, change.before.verdict, change.after.verdict) for change in did
            ]


def written(history: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Of each command in the history that changed numbers: who, what, and which numbers."""
    return history.execute(
        "SELECT actor, command, COUNT(*), COUNT(DISTINCT number), MIN(number), MAX(number),"
        " GROUP_CONCAT(DISTINCT previous), GROUP_CONCAT(DISTINCT current)"
        " FROM changes JOIN decisions USING (position) GROUP BY position ORDER BY position"
    ).fetchall()
