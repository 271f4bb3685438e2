"""dumpcap fills a ring of files, and the command brings each attempt to a server, killed or not."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.places import ROOT
from support.programs import needs
from support.server_process import ServerProcess, wait_until
from support.virtual_link import Link, linked

from ringfence import Client, Feed, Pool

pytestmark = [pytest.mark.slow, needs("ip", "tcpreplay", "dumpcap", "tshark", "bwrap")]

CAPTURE = ROOT / "tests/data/core/map_calls.pcap"
LATER = ROOT / "tests/data/core/smpp.pcap"
"""Nothing in it waits for a caller."""
CALLED = 447700900423
"""Of one attempt in the first."""


@pytest.fixture
def link() -> Iterator[Link]:
    with linked() as made:
        yield made


class Adapter:
    """A command that follows a folder."""

    def __init__(self, folder: Path, feed: str, server: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ringfence", "adapter", "tap", "--read", str(folder)),
                *("--follow", "--pattern", "*.pcapng", "--feed", feed, "--country", "44"),
                *("--server", server, "--lateness", "0"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        assert ready.startswith("ringfence adapter tap ready follow=1"), self.ended(signal.SIGKILL)

    def ended(self, number: int) -> str:
        """What it said, when it has ended by a signal."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)[1]


def test_a_ring_that_is_filled_is_read_once_and_claimed(
    link: Link,
    server: ServerProcess,
    tmp_path: Path,
    fresh_numbers: Callable[[int], list[int]],
) -> None:
    feed = f"feed-{fresh_numbers(1)[0]}"
    with Client(server.address) as client:
        client.put_feed(Feed(feed))
        client.put_pool(Pool(feed, "default", (feed,)))
        client.quarantine_numbers([CALLED], pool=feed)
        ring = subprocess.Popen(
            [
                *("dumpcap", "-q", "-i", link.near, "-w", str(tmp_path / "ring.pcapng")),
                *("-b", "duration:1", "-b", "files:60"),
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: any(tmp_path.glob("*.pcapng")))
            first = Adapter(tmp_path, feed, server.address)
            link.send(CAPTURE, rate=100)
            state = tmp_path / f".{feed}.follow"
            wait_until(lambda: state.exists() and "true" in state.read_text("utf-8"))
            first.ended(signal.SIGKILL)
            second = Adapter(tmp_path, feed, server.address)

            def claimed() -> bool:
                link.send(LATER)  # by whose frames claims go on
                (status,) = (each for each in client.list_feeds() if each.feed.name == feed)
                return bool(status.watermark)

            wait_until(claimed)
            said = second.ended(signal.SIGTERM)
        finally:
            ring.terminate()
            ring.wait()
        assert second.process.returncode == 0, said
        assert "note_" not in said
        assert re.search(r"event=\d+", said)
        recent = client.get_number(CALLED).recent
        assert len({each.occurred_at for each in recent}) == len(recent) >= 1
