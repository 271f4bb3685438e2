"""A tap on a real interface: every attempt is an event or lies in lost time, whatever dies.

Frames of the captures travel over a pair of virtual interfaces that the test made, tcpdump takes
them, and a second tcpdump writes down what really came: read offline, that is the truth.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from support.core_captures import BRITISH, connection, read
from support.places import ROOT
from support.programs import needs
from support.server_process import ServerProcess, wait_until
from support.started_programs import started
from support.virtual_link import Link, linked

from ringfence import Client, Feed
from ringfence.adapters.tap.capture import Capture
from ringfence.adapters.tap.gaps import LATE_S
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Relay
from ringfence.adapters.tap.shares import shares
from ringfence.adapters.tap.source import TapSource
from ringfence.adapters.tap.tshark import Tshark
from ringfence.adapters.tap.written_frames import WrittenFrames

pytestmark = [pytest.mark.slow, needs("ip", "tcpreplay", "tcpdump", "tshark", "bwrap")]

DATA = ROOT / "tests/data/core"
MIDST_BYTES = 150_000  # that came; then frames are on their way, for some seconds more
Event = tuple[int, int, int]
"""Called, caller, kind."""


@pytest.fixture
def link() -> Iterator[Link]:
    with linked() as made:
        yield made


class Sink:
    """Takes what a source hands on."""

    def __init__(self) -> None:
        self.events: list[tuple[Event, int]] = []
        self.lost: list[tuple[int, int]] = []

    def send(self, called: int, caller: int, occurred_at: int, kind: int) -> bool:
        self.events.append(((called, caller, int(kind)), occurred_at))
        return True

    async def send_wait(self, called: int, caller: int, occurred_at: int, kind: int) -> None:
        self.send(called, caller, occurred_at, kind)

    def lose(self, began_at: int, ended_at: int) -> None:
        self.lost.append((began_at, ended_at))


def offline(capture: Path) -> list[tuple[Event, int]]:
    """The events of what came, and their times."""
    events, _, _ = read([capture])
    return [((called, caller, kind), at) for called, caller, at, kind in events]


def not_among(
    events: list[tuple[Event, int]], expected: list[tuple[Event, int]]
) -> list[tuple[Event, int]]:
    """Those of the expected that are no event of about that time.

    Some calls are made again a second later, of which one may be missing: so first come the events
    of just that time.
    """
    left, missing = list(events), list(expected)
    for about_s in (0, 1):
        for wanted in list(missing):
            event, occurred_at = wanted
            near = (e for e in left if e[0] == event and abs(e[1] - occurred_at) <= about_s)
            if found := next(near, None):
                left.remove(found)
                missing.remove(wanted)
    return missing


def test_of_two_like_calls_the_one_is_missing_that_is_not_there() -> None:
    call: Event = (447700900423, 442079460012, 1)
    assert not_among([(call, 11)], [(call, 10), (call, 11)]) == [(call, 10)]
    assert not_among([(call, 10)], [(call, 10), (call, 11)]) == [(call, 11)]
    assert not_among([(call, 12)], [(call, 11)]) == []
    assert not_among([(call, 12)], [(call, 10)]) == [(call, 10)]


def writing(link: Link, written: Path) -> subprocess.Popen[bytes]:
    """Writes down what comes."""
    return subprocess.Popen(
        ["tcpdump", "-i", link.near, "-U", "-w", str(written), "-Z", "root"],
        stderr=subprocess.DEVNULL,
    )


async def tapped(
    link: Link,
    captures: list[Path],
    written: Path,
    meanwhile: Callable[[Link], None],
    midst_bytes: int = MIDST_BYTES,
    *,
    taps: int = 1,
) -> tuple[Sink, TapSource]:
    """What a source hands on of these captures, and what was written of them to a file."""
    sink = Sink()
    source = TapSource(
        [partial(Capture, link.near, each) for each in shares("", taps)],
        partial(Relay, partial(Tshark), hangs_s=3.0),
        TapReader(BRITISH), sink,
    )  # fmt: skip
    await source.open()
    writer = writing(link, written)
    try:
        await asyncio.to_thread(wait_until, lambda: written.exists() and written.stat().st_size)
        await source.start()
        looking = asyncio.create_task(look(source))
        sending = asyncio.create_task(asyncio.to_thread(link.send, *captures))
        await asyncio.to_thread(wait_until, lambda: written.stat().st_size >= midst_bytes)
        await asyncio.gather(sending, asyncio.to_thread(meanwhile, link))
        sent_at = time.time()
        await asyncio.to_thread(wait_until, lambda: source.heard_until > sent_at)
        looking.cancel()
        await source.close()
    finally:
        writer.terminate()
        writer.wait()
    return sink, source


async def look(source: TapSource) -> None:
    while True:
        source.look()
        await asyncio.sleep(1.0)


def nothing(_: Link) -> None:
    """Nothing happens meanwhile."""


@pytest.mark.parametrize("taps", [1, 2])
def test_every_attempt_on_the_wire_is_an_event(link: Link, tmp_path: Path, taps: int) -> None:
    captures = [DATA / f"{name}.pcap" for name in ("mixed", "map_calls", "diameter")]
    written = tmp_path / "came.pcap"
    sink, source = asyncio.run(tapped(link, captures, written, nothing, taps=taps))
    expected = offline(written)
    assert len(expected) >= 280
    assert Counter(event for event, _ in sink.events) == Counter(event for event, _ in expected)
    assert sink.lost == []
    assert not [name for name in source.tally if name.startswith("note_")]


def wait_for_it(_: Link) -> None:
    """A segment that only took another way would be there by then."""
    time.sleep(LATE_S + 1.0)


def test_time_in_which_a_segment_is_missing_is_lost(link: Link, tmp_path: Path) -> None:
    capture, written = tmp_path / "gap.pcapng", tmp_path / "came.pcap"
    frames = WrittenFrames()
    capture.write_bytes(frames.begin() + b"".join(map(frames.frame, connection(missing=120))))
    sink, source = asyncio.run(tapped(link, [capture], written, wait_for_it, 0))
    assert source.tally["note_segment_missing"] >= 1
    assert 20 <= len(sink.events) < 99
    first = min(occurred_at for _, occurred_at in sink.events)
    heard_again = range(first + 1, int(source.heard_until) - 1)
    lost = {second for interval in sink.lost for second in range(*interval)}
    assert lost.issuperset(heard_again)


def tshark() -> int:
    return started("tshark", os.getpid())


def capture() -> int:
    return started("tcpdump", os.getpid(), lambda arguments: b"-" in arguments)  # no file


def kill_tshark(_: Link) -> None:
    os.kill(tshark(), signal.SIGKILL)


def stop_tshark(_: Link) -> None:
    os.kill(tshark(), signal.SIGSTOP)


def kill_capture(_: Link) -> None:
    os.kill(capture(), signal.SIGKILL)


def stop_capture_for_a_while(_: Link) -> None:
    pid = capture()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(3.0)
    os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("meanwhile", "note"),
    [
        (kill_tshark, "note_tshark_replaced"),
        (stop_tshark, "note_tshark_replaced"),
        (kill_capture, "note_capture_replaced"),
        (stop_capture_for_a_while, ""),
    ],
)
def test_whatever_dies_an_attempt_is_an_event_or_lost_time(
    link: Link, tmp_path: Path, meanwhile: Callable[[Link], None], note: str
) -> None:
    captures = [DATA / f"{name}.pcap" for name in ("mixed", "map_calls", "diameter", "camel")]
    written = tmp_path / "came.pcap"
    sink, source = asyncio.run(tapped(link, captures, written, meanwhile))
    assert not note or source.tally[note] >= 1
    expected = offline(written)
    missing = not_among(sink.events, expected)
    for _, occurred_at in missing:
        assert any(begin <= occurred_at < end for begin, end in sink.lost), occurred_at
    assert len(sink.events) >= 100
    if not note:
        assert sink.lost == [] and not missing
    assert len({second for lost in sink.lost for second in range(*lost)}) < 60


def test_the_command_taps_and_claims(
    link: Link, server: ServerProcess, fresh_numbers: Callable[[int], list[int]]
) -> None:
    feed = f"feed-{fresh_numbers(1)[0]}"
    with Client(server.address) as client:
        client.put_feed(Feed(feed))
        command = subprocess.Popen(
            [
                *(sys.executable, "-m", "ringfence", "adapter", "tap", "--interface", link.near),
                *("--feed", feed, "--country", "44", "--server", server.address),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert command.stdout is not None
            assert command.stdout.readline().startswith("ringfence adapter tap ready interface=")
            link.send(DATA / "map_calls.pcap")

            def claimed() -> bool:
                (status,) = (each for each in client.list_feeds() if each.feed.name == feed)
                return bool(status.watermark)

            wait_until(claimed)
            command.send_signal(signal.SIGTERM)
            _, said = command.communicate(timeout=60)
        finally:
            command.kill()
            command.communicate()
    assert command.returncode == 0
    # Three of 70 are called again, so soon at this speed that nobody could tell.
    assert "event=67" in said and "untracked=67" in said
