"""Each frame goes to exactly one tap, and all of a conversation to the same."""

import subprocess
from pathlib import Path

import pytest
from support.places import ROOT
from support.programs import needs

from ringfence.adapters.tap.frames import Frame, frames_of
from ringfence.adapters.tap.merging import HELD_MAX, STALLED_S, Merging
from ringfence.adapters.tap.packets import Packet
from ringfence.adapters.tap.shares import shares

DATA = ROOT / "tests/data/core"


def ipv4(source: int, destination: int, fragment: int = 0) -> bytes:
    head = b"\x45\0\0\x1c\0\1" + fragment.to_bytes(2, "big") + b"\x40\x84\0\0"
    return head + bytes((192, 0, 2, source, 198, 51, 100, destination)) + bytes(8)


def ipv6(source: int, destination: int) -> bytes:
    return (
        b"\x60\0\0\0\0\x08\x84\x40"
        + bytes(15)
        + bytes((source,))
        + bytes(15)
        + bytes((destination,))
        + bytes(8)
    )


def ethernet(kind: int, content: bytes) -> bytes:
    return bytes(12) + kind.to_bytes(2, "big") + content.ljust(60, b"\0")


def kinds(source: int, destination: int) -> list[bytes]:
    """A frame of each kind between two; some without addresses."""
    inner = ipv4(source, destination)
    return [
        ethernet(0x0800, inner),
        ethernet(0x0800, ipv4(source, destination, fragment=0x2000)),
        ethernet(0x0800, ipv4(source, destination, fragment=0x0010)),
        ethernet(0x86DD, ipv6(source, destination)),
        ethernet(0x8100, b"\0\x05\x08\0" + inner),
        ethernet(0x88A8, b"\0\x05\x81\0\0\x06\x08\0" + inner),
        ethernet(0x8847, b"\0\0\x11\x40" + inner),
        ethernet(0x0806, bytes(28)),
        ethernet(0x0026, b"\x42\x42\x03" + bytes(35)),
    ]


def let_in(path: Path, filter_: str) -> list[bytes]:
    """The frames of a file that tcpdump lets in."""
    command = ("tcpdump", "-r", str(path), "-w", "-", "--", *([filter_] if filter_ else []))
    done = subprocess.run(command, check=True, capture_output=True)
    kept = path.with_name("kept.pcap")
    kept.write_bytes(done.stdout)
    with kept.open("rb") as file:
        return [frame.octets for frame in frames_of(file)]


def written(frames: list[bytes], path: Path) -> Path:
    octets = b"\xd4\xc3\xb2\xa1\2\0\4\0" + bytes(8) + (262_144).to_bytes(4, "little") + b"\1\0\0\0"
    for number, frame in enumerate(frames):
        length = len(frame).to_bytes(4, "little")
        octets += number.to_bytes(4, "little") + bytes(4) + length + length + frame
    path.write_bytes(octets)
    return path


@pytest.mark.parametrize("filter_", ["", "sctp or arp or vlan"])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
@needs("tcpdump")
def test_each_frame_goes_to_exactly_one_tap(tmp_path: Path, count: int, filter_: str) -> None:
    pairs = [(source, destination) for source in (*range(1, 9), 254) for destination in (3, 4, 255)]
    frames = [
        frame.ljust(len(frame) + 2, bytes((number,)))  # so that no two are the same
        for number, pair in enumerate(pairs)
        for frame in kinds(*pair)
    ]
    path = written(frames, tmp_path / "all.pcap")
    halves = [let_in(path, each) for each in shares(filter_, count)]
    wanted = let_in(path, filter_)
    assert sorted(frame for half in halves for frame in half) == sorted(wanted)
    assert all(halves)


@needs("tcpdump")
def test_both_directions_and_all_fragments_go_the_same_way(tmp_path: Path) -> None:
    for source, destination in ((1, 2), (7, 9), (254, 3), (255, 255)):
        for there, back in zip(kinds(source, destination), kinds(destination, source), strict=True):
            path = written([there, back], tmp_path / "pair.pcap")
            assert sorted(len(let_in(path, each)) for each in shares("", 2)) == [0, 2]
        fragments = written(kinds(source, destination)[:3], tmp_path / "fragments.pcap")
        assert sorted(len(let_in(fragments, each)) for each in shares("", 2)) == [0, 3]


@needs("tcpdump")
def test_the_captures_are_shared_about_evenly(tmp_path: Path) -> None:
    with (DATA / "mixed.pcap").open("rb") as file:
        frames: list[Frame] = list(frames_of(file))
    path = written([frame.octets for frame in frames], tmp_path / "mixed.pcap")
    counts = [len(let_in(path, each)) for each in shares("", 2)]
    assert sum(counts) == len(frames)
    assert min(counts) > len(frames) / 10


def packet(at: float) -> Packet:
    return Packet(1, at, [])


def test_packets_come_in_the_order_of_their_time_when_all_taps_are_there() -> None:
    merging = Merging(2, clock=lambda: 0.0)
    merging.take(packet(12.0))
    merging.come(0, 12.0)
    assert list(merging.due()) == []
    merging.take(packet(11.0))
    merging.come(1, 11.0)
    assert [each.at for each in merging.due()] == [11.0]
    merging.come(1, 13.0)
    assert [each.at for each in merging.due()] == [12.0]
    merging.take(packet(20.0))
    merging.come(0, 20.0)
    merging.end(1)
    assert [each.at for each in merging.due()] == [20.0]


def test_a_tap_that_says_nothing_holds_the_others_up_for_a_while_only() -> None:
    now = [0.0]
    merging = Merging(2, clock=lambda: now[0])
    merging.take(packet(12.0))
    merging.come(0, 12.0)
    assert list(merging.due()) == []
    now[0] = STALLED_S
    merging.come(0, 12.0)
    assert [each.at for each in merging.due()] == [12.0]


def test_no_more_is_held_than_there_is_room_for() -> None:
    merging = Merging(2, clock=lambda: 0.0)
    given = 0
    for number in range(HELD_MAX + 10):
        merging.take(packet(float(number + 1)))
        given += len(list(merging.due()))
    assert given == 10
