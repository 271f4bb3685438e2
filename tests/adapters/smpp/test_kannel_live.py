"""A real gateway (Kannel) sends real messages to a real server's adapter, which dies meanwhile."""

import asyncio
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from support.places import DATA
from support.server_process import ServerProcess, serving
from support.sip_switch import PATIENCE_S, free_ports, needs, program

from ringfence import Client, Feed

pytestmark = [pytest.mark.slow, needs("bearerbox", "smsbox")]

NUMBERS = range(447700900000, 447700901000)
MESSAGES = 300
LONG = "A text that is longer than one message can be. " * 8
DAY_S = 86_400


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server whose numbers are all in quarantine, and that holds no sender for a robot."""
    (tmp_path / "ringfence.toml").write_text("[spray]\nnumbers = 0\n")
    options = ("--workers", "1", "--capacity", "2000", "--config", str(tmp_path / "ringfence.toml"))
    with serving(tmp_path / "data", *options) as running, Client(running.address) as client:
        client.put_feed(Feed("sms-1"))
        client.quarantine_numbers(NUMBERS, quarantined_at=int(time.time()) - DAY_S)
        yield running


@contextmanager
def adapter(server: ServerProcess, port: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    accounts = folder / "accounts"
    accounts.write_text("kannel s3cret\n")
    arguments = [
        *(sys.executable, "-m", "ringfence.cli", "adapter", "smpp"),
        *("--listen", f"127.0.0.1:{port}", "--accounts", str(accounts)),
        *("--server", server.address, "--feed", "sms-1", "--country", "44", "--lateness", "1"),
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
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (0 if number == signal.SIGTERM else -number), said
    return said


@asynccontextmanager
async def kannel(smpp: int, folder: Path) -> AsyncIterator[int]:
    """Kannel; the port where it takes messages over HTTP."""
    admin, box, http = free_ports(3)
    ports = {"ADMIN": admin, "BOX": box, "HTTP": http, "SMPP": smpp, "FOLDER": folder}
    text = (DATA / "switch" / "smpp" / "kannel.conf").read_text()
    for name, value in ports.items():
        text = text.replace(f"@{name}@", str(value))
    (folder / "kannel.conf").write_text(text)
    async with program("bearerbox", folder / "kannel.conf"):
        await accepting(box)
        async with program("smsbox", folder / "kannel.conf"):
            await accepting(http)
            yield http


async def accepting(port: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def send(http: int, at: int) -> int:
    """Has Kannel send a message; the number it goes to."""
    called = NUMBERS[at % len(NUMBERS)]
    written = (f"+{called}", f"00{called}", f"0{str(called)[2:]}", str(called))[at % 4]
    sender = ("+441632960201", "BANKNAME", "01632960202")[at % 3]
    text = LONG if at % 10 == 0 else f"message {at}"
    query = urllib.parse.urlencode(
        {"username": "tester", "password": "foobar", "from": sender, "to": written, "text": text}
    )
    url = f"http://127.0.0.1:{http}/cgi-bin/sendsms?{query}"
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        assert answer.status == 202, "0: Accepted for delivery, or 3: Queued for later delivery"
    return called


def counts(client: Client) -> Counter[int]:
    found = {number.number: number.events_total for number in client.list_numbers(page_size=10_000)}
    return Counter({number: count for number, count in found.items() if count})


async def until(client: Client, events: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while counts(client).total() < events:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL])
def test_an_adapter_that_is_away_half_way_loses_nothing(
    ended_by: signal.Signals, server: ServerProcess, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    third = MESSAGES // 3

    async def run(client: Client) -> Counter[int]:
        wanted: Counter[int] = Counter()

        async def sent(http: int, first: int) -> None:
            for at in range(first, first + third):
                wanted[await asyncio.to_thread(send, http, at)] += 1

        async with kannel(port, tmp_path) as http:
            with adapter(server, port, tmp_path) as first:
                sending = asyncio.create_task(sent(http, 0))
                await until(client, third // 2)
                end(first, ended_by)
                await sending
            await sent(http, third)  # nobody is there: Kannel keeps them
            with adapter(server, port, tmp_path) as second:
                await sent(http, 2 * third)
                await until(client, MESSAGES)
                said = end(second, signal.SIGTERM)
                assert "note_bound=1" in said
        return wanted

    with Client(server.address) as client:
        wanted = asyncio.run(run(client))
        got = counts(client)
    assert wanted - got == Counter(), "none is lost"
    if ended_by == signal.SIGTERM:
        assert got == wanted, "and none counts twice"
