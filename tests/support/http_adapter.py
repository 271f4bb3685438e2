"""`ringfence adapter http` as a process of its own, or in this one, and what posts to it."""

import asyncio
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.client import HTTPConnection, HTTPSConnection
from typing import Any, NamedTuple

from ringfence import EventStreamStats
from ringfence.adapters.http.app import Events, app_of
from ringfence.adapters.http.listener import HttpListener
from ringfence.adapters.ndjson.desk import Desk
from ringfence.adapters.ndjson.hearing import Hearing
from ringfence.server.config.address import parse_address
from ringfence.wording.dialled import DialPlan
from support.smpp_peer import SafeList
from support.switch_traffic import AT

PATIENCE_S = 60.0
LINES = "application/x-ndjson"
JSON = "application/json"


class Answer(NamedTuple):
    """What a post was answered with."""

    status: int
    headers: dict[str, str]
    content: dict[str, Any]


def post(
    address: tuple[str, int],
    body: bytes,
    *,
    type_: str = LINES,
    tls: ssl.SSLContext | None = None,
    **headers: str,
) -> Answer:
    """Posts a body to /events; `headers` have _ for -."""
    made = HTTPConnection if tls is None else HTTPSConnection
    more = {} if tls is None else {"context": tls}
    connection = made(*address, timeout=PATIENCE_S, **more)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", "/events", body, {"Content-Type": type_, **named})
        answer = connection.getresponse()
        content = json.loads(answer.read())
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, told, content)
    finally:
        connection.close()


class Adapter:
    """A running adapter."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.ready_line = process.stdout.readline()
        words = dict(word.split("=", 1) for word in self.ready_line.split() if "=" in word)
        self.address = parse_address(words["listen"])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Stops it; returns its exit code and what it said on standard error."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


def command(server: str, *options: str, listen: str = "127.0.0.1:0") -> list[str]:
    return [
        *(sys.executable, "-m", "ringfence.cli", "adapter", "http", "--listen", listen),
        *("--server", server, "--feed", "web-1", "--country", "44", *options),
    ]


@contextmanager
def adapter(server: str, *options: str, listen: str = "127.0.0.1:0") -> Iterator[Adapter]:
    """An adapter that is gone at the end of the block."""
    with subprocess.Popen(
        command(server, *options, listen=listen),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Adapter(process)
        finally:
            if process.poll() is None:
                process.kill()


class FedList(SafeList):
    """A list that says of itself what a stream to a server would."""

    def __init__(self) -> None:
        super().__init__()
        self.answering: bool | None = True
        self.unanswered = 0
        self.rejected = 0

    @property
    def stats(self) -> EventStreamStats:
        return EventStreamStats(
            *(len(self.sent), 0, self.rejected, (), 0, 0, 0, self.unanswered, 0, 0, 0, None)
        )


class Inside:
    """An adapter in this process, at a time that stands still, in front of a list."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, **more: Any) -> None:
        self.stream = FedList()
        self.hearing = Hearing(self.stream.lose, AT - 60)
        plan = DialPlan.of_country(44)
        self.desk = Desk(self.stream, self.hearing, plan, clock=lambda: float(AT))
        self.events = Events(self.desk, self.stream, **more)
        self.listener = HttpListener(app_of(self.events), self.desk, "127.0.0.1", 0, tls=tls)
        self.address = ("", 0)

    async def post(self, body: bytes, **more: Any) -> Answer:
        """Posts from another thread."""
        return await asyncio.to_thread(post, self.address, body, **more)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which nothing was sent."""
        return await asyncio.open_connection(*self.address)


@asynccontextmanager
async def inside(**more: Any) -> AsyncIterator[Inside]:
    """An adapter that has stopped at the end of the block."""
    it = Inside(**more)
    it.address = parse_address((await it.listener.open()).removeprefix("listen="))
    await it.listener.start()
    try:
        yield it
    finally:
        it.stream.safe.set()
        await it.listener.close()
