"""`ringfence adapter cdr --follow` as a process that may be killed; what a server knows then."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ringfence import Client
from support.cdr_writer import Event

PATIENCE_S = 60.0
FEED = "cdr-1"


def command(server: str, format_: str, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "ringfence.cli", "adapter", "cdr", "--format", format_),
        *("--server", server, "--feed", FEED, "--country", "44", *arguments),
    ]


class Adapter:
    """A running follower."""

    def __init__(self, server: str, said: Path, *arguments: str, format_: str) -> None:
        self._said = said
        self._is_ready = False
        with said.open("ab") as errors:
            self.process = subprocess.Popen(
                command(server, format_, "--follow", *arguments),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def wait_ready(self) -> None:
        """Until it reads."""
        if self._is_ready:
            return
        self._is_ready = True
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ringfence adapter cdr ready follow="), self._said.read_text()

    def end(self, number: int) -> None:
        """Ends it by a signal."""
        self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE_S)
        wanted = 0 if number == signal.SIGTERM else -number
        assert self.process.returncode == wanted, self._said.read_text()


@contextmanager
def following(
    server: str, said: Path, *arguments: str, format_: str = "asterisk"
) -> Iterator[Adapter]:
    """A follower that is gone at the end of the block."""
    adapter = Adapter(server, said, *arguments, format_=format_)
    try:
        yield adapter
    finally:
        if adapter.process.poll() is None:
            adapter.process.kill()
        adapter.process.communicate()


def events_at(client: Client, numbers: Iterable[int]) -> Counter[tuple[int, int]]:
    """What the server keeps of calls to these numbers: the number and the time of each."""
    return Counter(
        (number, int(event.occurred_at.timestamp()))
        for number in set(numbers)
        for event in client.get_number(number).recent
    )


def times_of(truth: Iterable[Event]) -> Counter[tuple[int, int]]:
    """The same of what was called."""
    return Counter((called, at) for called, _, at, _ in truth)


def wait_for(client: Client, truth: Iterable[Event]) -> None:
    """Until the server has an event for each of these."""
    wanted = times_of(truth)
    until = time.monotonic() + PATIENCE_S
    while missing := wanted - events_at(client, [called for called, _ in wanted]):
        assert time.monotonic() < until, f"missing: {missing}"
        time.sleep(0.1)


def gaps_until(client: Client, moment: float) -> list[tuple[float, float]]:
    """Waits until the feed's claims reach a moment; its gaps before that, oldest first."""
    until = time.monotonic() + PATIENCE_S
    while True:
        (status,) = [each for each in client.list_feeds() if each.feed.name == FEED]
        if status.watermark and status.watermark.timestamp() >= moment:
            return [
                (gap.began_at.timestamp(), gap.ended_at.timestamp())
                for gap in reversed(status.gaps)
                if gap.ended_at and gap.began_at.timestamp() < moment
            ]
        assert time.monotonic() < until, status
        time.sleep(0.2)
