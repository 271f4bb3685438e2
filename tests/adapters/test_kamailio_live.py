"""The script of a real switch (Kamailio) reports real calls (SIPp) to a real server's adapter."""

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.server_process import ServerProcess, serving
from support.sip_switch import PATIENCE_S, free_ports, kamailio, needs, rows, sipp

from ringfence import Client, Feed

pytestmark = [pytest.mark.slow, needs("kamailio", "sipp")]

CONFIG = "kamailio-report.cfg"
CALLS = 600
NUMBERS = range(447700900000, 447700901000)
DAY_S = 86_400


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server whose numbers are all in quarantine, and that holds no caller for a robot."""
    (tmp_path / "ringfence.toml").write_text("[spray]\nnumbers = 0\n")
    options = ("--workers", "1", "--capacity", "2000", "--config", str(tmp_path / "ringfence.toml"))
    with serving(tmp_path / "data", *options) as running, Client(running.address) as client:
        client.put_feed(Feed("sip-1"))
        client.quarantine_numbers(NUMBERS, quarantined_at=int(time.time()) - DAY_S)
        yield running


class Adapter:
    """The adapter as a process."""

    def __init__(self, server: ServerProcess, state: Path, *way: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ringfence.cli", "adapter", "kamailio", *way),
                *("--server", server.address, "--feed", "sip-1", "--country", "44"),
                *("--lateness", "1", "--state", str(state)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert "ringfence adapter kamailio ready" in self.process.stdout.readline()

    def end(self, number: int) -> str:
        """Ends it by a signal; what it said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == (0 if number == signal.SIGTERM else -number), said
        return said


@contextmanager
def adapter(server: ServerProcess, state: Path, *way: str) -> Iterator[Adapter]:
    running = Adapter(server, state, *way)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate()


def way_of(kind: str, evapi: str, http: str, socket: Path) -> tuple[str, str]:
    """The options for one of the three ways."""
    return {
        "evapi": ("--evapi", evapi),
        "mqueue over HTTP": ("--rpc", f"http://{http}/RPC"),
        "mqueue over a socket": ("--rpc", f"unix:{socket}"),
    }[kind]


def called_so_far(client: Client) -> Counter[int]:
    """How often each number was called, as far as the server knows."""
    found = {number.number: number.events_total for number in client.list_numbers(page_size=10_000)}
    return Counter({number: count for number, count in found.items() if count})


async def until(client: Client, events: int) -> None:
    """Waits until the server has so many events."""
    async with asyncio.timeout(PATIENCE_S):
        while called_so_far(client).total() < events:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def heard_until(client: Client, moment: float) -> list[tuple[float, float]]:
    """Waits until the feed's claims reach a moment; its gaps, oldest first."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            (status,) = [each for each in client.list_feeds() if each.feed.name == "sip-1"]
            if status.watermark and status.watermark.timestamp() >= moment:
                return [
                    (gap.began_at.timestamp(), gap.ended_at.timestamp())
                    for gap in reversed(status.gaps)
                    if gap.ended_at
                ]
            await asyncio.sleep(0.2)


KINDS = ["evapi", "mqueue over HTTP", "mqueue over a socket"]


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_that_is_away_half_way_loses_nothing_that_it_claims(
    kind: str, ended_by: signal.Signals, server: ServerProcess, tmp_path: Path
) -> None:
    calls, truth = rows(CALLS)
    wanted: Counter[int] = Counter()
    for (called, *_), count in truth.items():
        wanted[called] += count
    sip_port, evapi_port = free_ports(2)
    socket, state = tmp_path / "rpc.sock", tmp_path / "state"
    evapi = f"127.0.0.1:{evapi_port}"
    way = way_of(kind, evapi, f"127.0.0.1:{sip_port}", socket)
    defines = "WITH_EVAPI" if kind == "evapi" else "WITH_MQUEUE"
    values = {"EVAPI": evapi, "RPC_SOCKET": str(socket), "QUEUE": "name=ringfence;size=100000"}

    async def run(client: Client) -> list[tuple[float, float]]:
        async with kamailio(CONFIG, sip_port, tmp_path, defines, **values):
            with adapter(server, state, *way) as first:
                await heard_until(client, time.time())
                calling = asyncio.create_task(
                    sipp("uac_invite.xml", sip_port, calls, CALLS, tmp_path)
                )
                await until(client, CALLS // 4)
                first.end(ended_by)
            await calling
            with adapter(server, state, *way) as second:
                if kind != "evapi":
                    await until(client, CALLS - 300 * (ended_by == signal.SIGKILL))
                gaps = await heard_until(client, time.time() + 1)
                said = second.end(signal.SIGTERM)
        assert "read " in said
        return gaps

    with Client(server.address) as client:
        gaps = asyncio.run(run(client))
        got = called_so_far(client)
    assert got - wanted == Counter(), "no call counts twice"
    if kind == "evapi":
        assert gaps, "reports were dropped while nobody was there, and that time is not claimed"
        assert sum(got.values()) < CALLS
    elif ended_by == signal.SIGTERM:
        assert got == wanted
        assert gaps == [], "nothing was missing, so all time is claimed"
    else:
        assert got == wanted or gaps, "what was lost on its way costs its time"


def test_a_queue_that_ran_over_while_nobody_fetched_costs_its_time(
    server: ServerProcess, tmp_path: Path
) -> None:
    calls, _ = rows(100)
    sip_port, _ = free_ports(2)
    state, way = tmp_path / "state", ("--rpc", f"http://127.0.0.1:{sip_port}/RPC")
    values = {"RPC_SOCKET": str(tmp_path / "rpc.sock"), "QUEUE": "name=ringfence;size=30"}

    async def run(client: Client) -> None:
        async with kamailio(CONFIG, sip_port, tmp_path, "WITH_MQUEUE", **values):
            with adapter(server, state, *way) as first:
                await heard_until(client, time.time())
                first.end(signal.SIGTERM)
            before = time.time()
            await sipp("uac_invite.xml", sip_port, calls, 100, tmp_path)
            after = time.time()
            with adapter(server, state, *way) as second:
                gaps = await heard_until(client, time.time() + 1)
                assert "note_reports_missing=70" in second.end(signal.SIGTERM)
        assert any(begin <= before and after <= end for begin, end in gaps), (gaps, before, after)

    with Client(server.address) as client:
        asyncio.run(run(client))
        assert called_so_far(client).total() == 30
