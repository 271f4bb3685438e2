"""Whatever is killed, whenever: nothing acknowledged is lost, and nothing else appears.

A soak is the same with more rounds:
`RINGFENCE_CRASH_ROUNDS=500 pytest -n 0 -s tests/server/recovery/test_crash.py`.
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from support.crash_load import (
    Feed,
    Operator,
    caller_key_of,
    expected_rings,
    finish,
    lost,
    rings_of,
    working,
)
from support.run_seed import run_seed
from support.server_process import ServerProcess, peer_of

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("RINGFENCE_CRASH_ROUNDS", "4"))


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


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        print(f"gone already: {pid}")


@pytest.mark.parametrize("seed", [run_seed()])
def test_nothing_acknowledged_is_lost_whatever_is_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    installation = Installation(tmp_path / "data")
    operator = Operator()
    try:
        with peer_of(installation.server) as peer:
            operator.once(peer)
        key = caller_key_of(installation.server)
        feeds = [Feed(seed + i, operator.quarantined, key) for i in (1, 2)]
        with working(installation.address, feeds, operator):
            for round_ in range(ROUNDS):
                time.sleep(chance.uniform(0.05, 0.5))  # work goes on until the next blow
                struck = installation.strike(chance)
                missing = lost(feeds, operator, installation.server)
                assert missing == [], f"round {round_} struck {struck}: {missing[:5]}"
        print(f"acknowledged: events={sum(feed.acknowledged for feed in feeds)}")
        assert all(feed.acknowledged for feed in feeds)
        installation.strike(random.Random(0))
        finish(installation.address, feeds)
        for last in ("live", "after everything was killed"):
            rings = rings_of(installation.server)
            assert {n: ring for n, ring in rings.items() if ring} == expected_rings(feeds), last
            assert lost(feeds, operator, installation.server) == [], last
            os.kill(installation.server.process.pid, signal.SIGKILL)
            installation.server.process.wait()
            installation.server.end()
            installation.start()
    finally:
        installation.server.end()
        print(installation.server.log)
