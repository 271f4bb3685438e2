"""A real gateway (Kannel) sends real messages to a real server's adapter, which dies meanwhile."""

import asyncio
import signal
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.places import DATA
from support.programs import PATIENCE_S, accepting, free_ports, needs, program
from support.smpp_live import (
    NUMBERS,
    adapter,
    all_of,
    claims,
    counting_server,
    counts,
    end,
    prepare,
    until,
)

from ringfence import Client
from ringfence.adapters.smpp.pdu import RESPONSE, SUBMIT_SM, Framing

pytestmark = [pytest.mark.slow, needs("bearerbox", "smsbox")]

MESSAGES = 300
IN_FLIGHT = 10
"""As many as Kannel sends without an answer."""
LONG = "A text that is longer than one message can be. " * 8


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


def send(http: int, at: int, text: str = "") -> int:
    """Has Kannel send a message; the number it goes to."""
    called = NUMBERS[at % len(NUMBERS)]
    written = (f"+{called}", f"00{called}", f"0{str(called)[2:]}", str(called))[at % 4]
    sender = ("+441632960201", "BANKNAME", "01632960202")[at % 3]
    text = text or (LONG if at % 10 == 0 else f"message {at}")
    query = urllib.parse.urlencode(
        {"username": "tester", "password": "foobar", "from": sender, "to": written, "text": text}
    )
    url = f"http://127.0.0.1:{http}/cgi-bin/sendsms?{query}"
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        assert answer.status == 202, "0: Accepted for delivery, or 3: Queued for later delivery"
    return called


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL])
def test_an_adapter_that_is_away_half_way_loses_nothing(
    ended_by: signal.Signals, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    way = ("--listen", f"127.0.0.1:{port}")
    third = MESSAGES // 3

    async def run(client: Client, server: str) -> Counter[int]:
        wanted: Counter[int] = Counter()

        async def sent(http: int, count: int) -> None:
            for at in range(wanted.total(), wanted.total() + count):
                wanted[await asyncio.to_thread(send, http, at)] += 1

        async def claimed(http: int, moment: float) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while claims(client)[0] < moment:
                    await sent(http, 1)  # claims go with events, or wait for a heartbeat

        async with kannel(port, tmp_path) as http:
            with adapter(server, tmp_path, *way) as first:
                await claimed(http, time.time())
                sending = asyncio.create_task(sent(http, third))
                await until(client, wanted.total() + third // 2)
                end(first, ended_by)
                ended_at = time.time()
                await sending
            await sent(http, third)  # nobody is there: Kannel keeps them
            assert counts(client).total() <= wanted.total() - third
            back_at = time.time()
            with adapter(server, tmp_path, *way) as second:
                await sent(http, third)
                await all_of(client, wanted)
                await claimed(http, time.time())
                await all_of(client, wanted)
                said = end(second, signal.SIGTERM)
                assert "note_bound=1" in said
        _, gaps = claims(client)
        assert any(begin <= ended_at and back_at <= end for begin, end in gaps), "is not claimed"
        return wanted

    with counting_server(tmp_path) as server, Client(server.address) as client:
        prepare(client)
        wanted = asyncio.run(run(client, server.address))
        got = counts(client)
    assert wanted - got == Counter(), "none is lost"
    if ended_by == signal.SIGTERM:
        assert got == wanted, "and none counts twice"


class Seen:
    """A way from the gateway to the adapter that counts messages and their answers."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.messages: list[int] = []
        """Their sequence numbers."""
        self.answers = 0

    async def passed(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        ways = (self._pass(stream, theirs[1]), self._pass(theirs[0], writer))
        await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framing = Framing()
        try:
            while octets := await stream.read(65_536):
                for pdu in framing.feed(octets):
                    if pdu.command == SUBMIT_SM:
                        self.messages.append(pdu.sequence)
                    self.answers += pdu.command == SUBMIT_SM | RESPONSE
                writer.write(octets)
        finally:
            writer.close()


def test_what_an_adapter_had_and_not_told_the_server_when_it_was_killed_comes_again(
    tmp_path: Path,
) -> None:
    own, port, server_port = free_ports(3)
    way = ("--listen", f"127.0.0.1:{port}")
    address = f"127.0.0.1:{server_port}"
    with counting_server(tmp_path, address) as server, Client(server.address) as client:
        prepare(client)  # and then the server is away

    async def run() -> list[int]:
        seen = Seen(port)
        between = await asyncio.start_server(seen.passed, "127.0.0.1", own)
        async with between, kannel(own, tmp_path) as http:
            with adapter(address, tmp_path, *way) as first:
                sent = [send(http, at, f"message {at}") for at in range(IN_FLIGHT)]
                async with asyncio.timeout(PATIENCE_S):
                    while len(seen.messages) < IN_FLIGHT:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                end(first, signal.SIGKILL)
            assert seen.answers == 0
            with (
                counting_server(tmp_path, address) as server,
                Client(server.address) as client,
                adapter(address, tmp_path, *way) as second,
            ):
                await until(client, IN_FLIGHT)
                end(second, signal.SIGTERM)
                assert counts(client) == Counter(sent)
        assert len(seen.messages) == 2 * IN_FLIGHT
        assert set(seen.messages[:IN_FLIGHT]).isdisjoint(seen.messages[IN_FLIGHT:])
        return sent

    assert len(asyncio.run(run())) == IN_FLIGHT
