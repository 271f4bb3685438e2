"""A TCP segment that the capture lacks makes tshark deaf on its connection: that is told."""

from contextlib import closing
from pathlib import Path

from support.core_captures import BRITISH, connection, read

from ringfence.adapters.base import Attempt
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
