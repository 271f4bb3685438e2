"""`ringfence adapter smpp` as a process of its own, and a server that counts what it sends."""

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringfence import Client, Feed
from support.programs import PATIENCE_S
from support.server_process import ServerProcess, serving

FEED = "sms-1"
NUMBERS = range(447700900000, 447700901000)
ACCOUNT = ("kannel", "s3cret")
DAY_S = 86_400


@contextmanager
def counting_server(folder: Path, listen: str = "127.0.0.1:0") -> Iterator[ServerProcess]:
    """A server that holds no sender for a robot, of a folder that it may have had before."""
    (folder / "ringfence.toml").write_text("[spray]\nnumbers = 0\n")
    options = ("--workers", "1", "--capacity", "2000", "--config", str(folder / "ringfence.toml"))
    with serving(folder / "data", *options, listen=listen) as running:
        yield running


def prepare(client: Client) -> None:
    """Registers the feed, and puts all numbers in quarantine."""
    client.put_feed(Feed(FEED))
    client.quarantine_numbers(NUMBERS, quarantined_at=int(time.time()) - DAY_S)


@contextmanager
def adapter(server: str, folder: Path, *way: str) -> Iterator[subprocess.Popen[str]]:
    """The adapter, ready."""
    accounts = folder / "accounts"
    accounts.write_text(" ".join(ACCOUNT) + "\n")
    arguments = [
        *(sys.executable, "-m", "ringfence.cli", "adapter", "smpp", *way),
        *("--accounts", str(accounts), "--server", server),
        *("--feed", FEED, "--country", "44", "--lateness", "1"),
    ]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert "ringfence adapter smpp ready" in process.stdout.readline()
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def end(process: subprocess.Popen[str], number: int) -> str:
    """Ends it by a signal; what it said."""
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (0 if number == signal.SIGTERM else -number), said
    return said


def counts(client: Client) -> Counter[int]:
    """How many events each number has."""
    found = {number.number: number.events_total for number in client.list_numbers(page_size=10_000)}
    return Counter({number: count for number, count in found.items() if count})


async def until(client: Client, events: int) -> None:
    """Waits until the server has so many events."""
    async with asyncio.timeout(PATIENCE_S):
        while counts(client).total() < events:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def all_of(client: Client, wanted: Counter[int]) -> None:
    """Waits until the server has all of these, whatever came twice."""
    async with asyncio.timeout(PATIENCE_S):
        while wanted - counts(client):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def claims(client: Client) -> tuple[float, list[tuple[float, float]]]:
    """Until when the feed has claimed time, 0 = never; and the gaps in it."""
    (status,) = client.list_feeds()
    return status.watermark.timestamp() if status.watermark else 0.0, [
        (gap.began_at.timestamp(), gap.ended_at.timestamp()) for gap in status.gaps if gap.ended_at
    ]
