"""`ringfence adapter tap --read` brings what captures tell of to a real server, each once."""

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command_line import Ringfence, at
from support.places import ROOT
from support.server_process import ServerProcess

from ringfence import Client, Feed, Pool
from ringfence.adapters.tap.frames import Frame, frames_of
from ringfence.adapters.tap.written_frames import WrittenFrames

DATA = ROOT / "tests/data/core"
DAY_S = 86_400
NOW = int(time.time())
SINCE = NOW - 200 * DAY_S


@pytest.fixture
def ringfence(server: ServerProcess) -> Ringfence:
    return at(server.address)


@pytest.fixture
def client(server: ServerProcess):
    with Client(server.address) as connected:
        yield connected


@pytest.fixture
def feed(client: Client, fresh_numbers: Callable[[int], list[int]]) -> str:
    """A feed of its own for a test, and a pool of the same name that requires it."""
    name = f"feed-{fresh_numbers(1)[0]}"
    client.put_feed(Feed(name))
    client.put_pool(Pool(name, "default", (name,)))
    return name


def ran(ringfence: Ringfence, feed: str, *arguments: str, code: int = 0):
    result = ringfence(
        *("adapter", "tap", "--read", "--country", "44", "--feed", feed, "--json", *arguments),
        code=code,
    )
    return json.loads(result.stdout), result.stderr


def moment(at_: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_))


def test_captures_are_read_once_and_claimed(
    ringfence: Ringfence, client: Client, feed: str, tmp_path: Path
) -> None:
    called = 447700900423  # the first of map_calls
    client.quarantine_numbers([called], pool=feed, quarantined_at=SINCE, observed_since=SINCE)
    with open(DATA / "map_calls.pcap", "rb") as file:
        frames = list(frames_of(file))
    moved = (NOW - 10 * DAY_S) * 10**9 - frames[0].at_ns
    frames = [frame._replace(at_ns=frame.at_ns + moved) for frame in frames]
    half = len(frames) // 2
    (tmp_path / "1.pcapng.gz").write_bytes(gzip.compress(written(frames[:half])))
    (tmp_path / "2.pcapng").write_bytes(written(frames[half:]))
    claim = ("--complete-from", moment(SINCE), "--complete-to", moment(NOW - DAY_S))
    for again in (False, True):
        told, said = ran(ringfence, feed, str(tmp_path), *claim)
        assert told["accepted"] + told["untracked"] == 70
        assert told["accepted"] >= 1
        assert "bad_lines" not in told or told["bad_lines"] == 0
        assert f"claimed: {feed} has sent all that came from" in said
        number = client.get_number(called)
        assert len(number.recent) >= 1, again
    assert len(number.recent) == told["accepted"]


def test_a_frame_that_cannot_be_read_is_told_and_keeps_the_claim_back(
    ringfence: Ringfence, feed: str, tmp_path: Path
) -> None:
    path = tmp_path / "isup.pcap"
    path.write_bytes((DATA / "isup_m3ua.pcap").read_bytes())
    claim = ("--complete-from", moment(SINCE), "--complete-to", moment(NOW - DAY_S))
    told, said = ran(ringfence, feed, str(path), *claim, code=1)
    assert (told["bad_lines"], told["claimed_from"]) == (1, None)
    assert f"{path}, frame 511: malformed" in said
    assert [each.name for each in tmp_path.iterdir()] == ["isup.pcap"]


def test_a_file_that_is_cut_off_or_none_is_told_with_the_place(
    ringfence: Ringfence, feed: str, tmp_path: Path
) -> None:
    octets = (DATA / "map_calls.pcap").read_bytes()
    for name, content, said in (
        ("cut.pcap", octets[:-5], "frame 388: cut off"),
        ("text.pcap", b"called,caller\n" * 9, "not a capture"),
        ("empty.pcap", b"", "cut off"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        result = ringfence(
            *("adapter", "tap", "--read", "--country", "44", "--feed", feed, str(path)), code=2
        )
        assert f"{name}, " in result.stderr and said in result.stderr


def written(frames: list[Frame]) -> bytes:
    """A file of frames."""
    made = WrittenFrames()
    return made.begin() + b"".join(map(made.frame, frames))
