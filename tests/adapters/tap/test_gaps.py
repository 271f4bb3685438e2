"""A TCP segment that the capture lacks makes tshark deaf on its connection: that is told."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from support.core_captures import BRITISH, read

from ringfence.adapters.base import Attempt
from ringfence.adapters.tap.frames import Frame
from ringfence.adapters.tap.gaps import LATE_S, Gaps
from ringfence.adapters.tap.packets import Packet
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Lost, Relay
from ringfence.adapters.tap.tshark import Tshark
from ringfence.adapters.tap.written_frames import WrittenFrames


def test_a_segment_that_comes_late_is_no_gap() -> None:
    gaps = Gaps()
    gaps.miss("0", 100.0)
    assert not gaps.are_there(100.0 + LATE_S / 2)
    gaps.fill("0")
    assert not gaps.are_there(200.0)
    gaps.miss("1", 200.0)
    gaps.miss("1", 201.0)
    gaps.fill("1")
    gaps.fill("2")
    assert gaps.are_there(200.0 + LATE_S)


def request(sequence: int, number: int, at_s: float) -> Frame:
    """A Diameter request that asks for a user (Cx LIR), alone in a TCP segment."""
    identity = b"tel:+4477009%05d" % number
    avps = avp(263, b"s;%d" % number, 0) + avp(264, b"icscf.example", 0) + avp(601, identity, 10415)
    diameter = b"\x01" + (20 + len(avps)).to_bytes(3, "big") + b"\xc0" + (302).to_bytes(3, "big")
    diameter += (16777216).to_bytes(4, "big") + number.to_bytes(4, "big") * 2 + avps
    tcp = (40_000).to_bytes(2, "big") + (3_868).to_bytes(2, "big") + sequence.to_bytes(4, "big")
    tcp += (1).to_bytes(4, "big") + b"\x50\x18\x20\0\0\0\0\0" + diameter
    ip = b"\x45\0" + (20 + len(tcp)).to_bytes(2, "big") + bytes(4) + b"\x40\x06\0\0"
    octets = bytes(12) + b"\x08\0" + ip + bytes((192, 0, 2, 1, 192, 0, 2, 2)) + tcp
    return Frame(int(at_s * 10**9), 1, octets, len(octets))


def avp(code: int, data: bytes, vendor: int) -> bytes:
    flags = b"\xc0" if vendor else b"\x40"
    owner = vendor.to_bytes(4, "big") if vendor else b""
    length = 8 + len(owner) + len(data)
    head = code.to_bytes(4, "big") + flags + length.to_bytes(3, "big") + owner
    return head + data + bytes(-length % 4)


def connection(missing: int) -> Iterator[Frame]:
    """A request a second, of which one was not captured."""
    sequence = 1_000
    for number in range(100, 200):
        frame = request(sequence, number, 1_796_000_000 + number)
        sequence += len(frame.octets) - 54
        if number != missing:
            yield frame


def test_what_follows_a_missing_segment_is_told_and_heard_again_soon() -> None:
    reader, heard, lost = TapReader(BRITISH), [], []
    with closing(Relay(Tshark)) as relay:
        lines = relay.lines()
        for mark, frame in enumerate(connection(missing=120), 1):
            relay.give(frame)
            relay.mark(mark)
            for printed in lines:
                if isinstance(printed, Packet):
                    heard += reader.read(printed)
                elif isinstance(printed, Lost):
                    lost.append((mark, printed.why))
                elif printed.number == mark:
                    break
    heard += reader.due(float("inf"))
    numbers = [each.called - 447700900000 for each in heard if isinstance(each, Attempt)]
    assert len(numbers) == len(set(numbers))
    missing = set(range(100, 200)) - set(numbers)
    assert {120, 121} <= missing <= set(range(120, 135))
    assert {why for _, why in lost} == {"a segment of a TCP connection is missing"}
    told = {mark + 99 for mark, _ in lost}  # the mark behind a number
    assert told >= {number for number in missing if number > 120 + LATE_S}


def test_a_gap_in_a_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "gap.pcapng"
    for missing, told in ((120, ["a segment of a TCP connection is missing"]), (0, [])):
        written = WrittenFrames()
        path.write_bytes(written.begin() + b"".join(map(written.frame, connection(missing))))
        events, _, turned = read([path])
        assert [why for _, why in turned] == [f"lost behind it: {why}" for why in told]
        assert 20 <= len(events) <= 99 if missing else len(events) == 100
