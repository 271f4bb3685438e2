"""A folder that a capture fills is read file by file: none twice, none left out."""

import asyncio
import gzip
import os
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from support.core_captures import BRITISH, read
from support.places import ROOT

from ringfence.adapters.cdr.follow.files import Files
from ringfence.adapters.cdr.follow.listing import Watched
from ringfence.adapters.cdr.follow.state import State
from ringfence.adapters.tap.capture_stream import CaptureStream
from ringfence.adapters.tap.followed import CaptureFollower
from ringfence.adapters.tap.frames import Frame, frames_of
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Relay
from ringfence.adapters.tap.tshark import Tshark
from ringfence.adapters.tap.written_frames import WrittenFrames

MIXED = ROOT / "tests/data/core/mixed.pcap"
Event = tuple[int, int, int, int]


class Sink:
    """Takes what a follower hands on."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def send(self, *event: int) -> bool:
        raise NotImplementedError("it waits for room")

    async def send_wait(self, called: int, caller: int, occurred_at: int, kind: int) -> None:
        self.events.append((called, caller, occurred_at, int(kind)))

    def lose(self, began_at: int, ended_at: int) -> None:
        raise NotImplementedError("it tells who keeps the state")


class Run:
    """What one run of a follower made of a folder, look by look."""

    def __init__(self, folder: Path, left: "Run | None" = None) -> None:
        self.sink = Sink()
        self.lost: list[tuple[int, int]] = []
        self.said: list[str] = []
        restored = State("f", "capture", 0, 0, 0, left.kept) if left else None
        self._files = Files(
            [Watched(folder)],
            self.said.append,
            restored=restored.followed() if restored else (),
            looked_at=1.0 if restored else 0.0,
        )
        self._heard = left.heard if left else 0.0
        self._resumed = left is not None

    def __call__(self, looks: Sequence[float]) -> "Run":
        """Looks at these times, seconds from now."""
        with closing(Relay(Tshark)) as relay:
            now = time.time()
            clock = [now]
            follower = CaptureFollower(
                self._files,
                relay,
                CaptureStream(relay, TapReader(BRITISH)),
                self.sink,
                self.said.append,
                heard=self._heard,
                resumed=self._resumed,
                lose=lambda began, ended: self.lost.append((began, ended)),
                clock=lambda: clock[0],
            )

            async def run() -> None:
                for look in looks:
                    clock[0] = now + look
                    await follower.read_all()

            asyncio.run(run())
            self.heard, self.kept = follower.heard_until, follower.kept.files
            self.tally = follower.tally
        self._files.close()
        return self


def written(frames: Sequence[Frame]) -> bytes:
    made = WrittenFrames()
    return made.begin() + b"".join(map(made.frame, frames))


def put(folder: Path, number: int, octets: bytes, *, ago_s: float = 30.0) -> Path:
    """A file of a ring, which was written to last so long ago."""
    path = folder / f"ring_{number:05}.pcapng"
    path.write_bytes(octets)
    at = time.time() - ago_s + number / 100
    os.utime(path, (at, at))
    return path


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    with MIXED.open("rb") as file:
        return list(frames_of(file))


@pytest.fixture(scope="module")
def expected() -> list[Event]:
    return sorted(read([MIXED])[0])


def test_a_file_is_read_when_the_next_one_is_begun(tmp_path: Path, frames: list[Frame]) -> None:
    put(tmp_path, 1, written(frames[:300]))
    run = Run(tmp_path)([0])
    assert run.sink.events == [] and run.heard == 0.0
    put(tmp_path, 2, written(frames[300:310])[:-7])
    run = Run(tmp_path)([0, 5])
    assert len(run.sink.events) > 5
    assert frames[299].at_ns / 1e9 - 30 <= run.heard <= frames[299].at_ns / 1e9
    assert run.lost == []


def test_the_last_one_is_read_when_nobody_has_written_to_it_for_a_minute(
    tmp_path: Path, frames: list[Frame]
) -> None:
    put(tmp_path, 1, written(frames[:300]))
    assert Run(tmp_path)([0]).sink.events == []
    assert Run(tmp_path)([0, 40]).sink.events != []


def test_what_waits_for_a_caller_is_an_event_in_time_though_nothing_else_comes(
    tmp_path: Path,
) -> None:
    with (ROOT / "tests/data/core/map_calls.pcap").open("rb") as file:
        asked = list(frames_of(file))[8]  # which carries none
    later = asked._replace(at_ns=asked.at_ns + 20 * 10**9, octets=bytes(60), length=60)
    put(tmp_path, 1, written([asked, later]))
    put(tmp_path, 2, b"")
    run = Run(tmp_path)([0])
    assert len(run.sink.events) == 1
    assert run.heard == later.at_ns / 1e9


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_a_run_that_goes_on_reads_none_twice_and_leaves_none_out(
    tmp_path: Path, frames: list[Frame], expected: list[Event], at: float
) -> None:
    here = round(len(frames) * at)
    step = here // 4
    for number in range(4):
        put(tmp_path, number, written(frames[number * step : (number + 1) * step]))
    put(tmp_path, 4, written(frames[4 * step :])[:-3])
    first = Run(tmp_path)([0])
    put(tmp_path, 4, written(frames[4 * step :]))
    second = Run(tmp_path, first)([0, 100])
    assert first.sink.events and second.sink.events
    held = Run(tmp_path)([0, 100])
    assert sorted(first.sink.events + second.sink.events) == sorted(held.sink.events)
    assert set(held.sink.events) <= set(expected)
    assert first.lost == second.lost == []


def test_one_that_is_packed_later_is_not_read_again(tmp_path: Path, frames: list[Frame]) -> None:
    path = put(tmp_path, 1, written(frames[:300]))
    put(tmp_path, 2, written(frames[300:310]))
    first = Run(tmp_path)([0])
    facts = path.stat()
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    os.utime(packed, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    path.unlink()
    second = Run(tmp_path, first)([0])
    assert first.sink.events != [] and second.sink.events == []


def test_what_was_read_last_and_is_gone_is_lost_time(tmp_path: Path, frames: list[Frame]) -> None:
    path = put(tmp_path, 1, written(frames[:300]))
    put(tmp_path, 2, written(frames[300:600]))
    first = Run(tmp_path)([0])
    with path.open("rb"):  # so that its inode is not given to another
        path.unlink()
        put(tmp_path, 3, written(frames[600:610]))
        second = Run(tmp_path, first)([0])
    assert len(second.lost) == 1, second.said
    (lost,) = second.lost
    assert lost[0] == int(first.heard) and lost[1] > time.time() - 5


def test_one_that_vanishes_unread_is_lost_time(tmp_path: Path, frames: list[Frame]) -> None:
    put(tmp_path, 1, written(frames[:300]))
    path = put(tmp_path, 2, written(frames[300:600]))
    first = Run(tmp_path)([0])
    assert first.sink.events and not first.lost
    path.unlink()
    assert Run(tmp_path, first)([0]).lost != []


def test_one_that_is_cut_off_is_read_so_far_and_the_rest_is_lost_time(
    tmp_path: Path, frames: list[Frame]
) -> None:
    put(tmp_path, 1, written(frames[:300])[:-9])
    put(tmp_path, 2, written(frames[300:310]))
    run = Run(tmp_path)([0, 1])
    assert len(run.sink.events) > 5 and len(run.lost) == 1
    assert any("cut off" in words for words in run.said)
    assert run.tally["note_damaged"] == 1
