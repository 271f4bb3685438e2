"""Capture files in every order of bytes, damaged and cut ones: frames, or a sentence."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.adapters.tap.frames import Frame, frames_of
from ringfence.adapters.tap.written_frames import WrittenFrames
from ringfence.wording.tables import TableError

FRAMES = st.lists(
    st.builds(
        lambda at_ns, link, octets, more: Frame(at_ns, link, octets, len(octets) + more),
        st.integers(0, 2**32 * 10**9),
        st.integers(0, 300),
        st.binary(max_size=80),
        st.integers(0, 9),
    ),
    max_size=6,
)


def pcap(frames: list[Frame], order: str, unit_ns: int) -> bytes:
    magic = 0xA1B23C4D if unit_ns == 1 else 0xA1B2C3D4
    octets = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65_535, 113)
    for frame in frames:
        seconds, rest = divmod(frame.at_ns, 10**9)
        octets += struct.pack(
            order + "IIII", seconds & 0xFFFFFFFF, rest // unit_ns, len(frame.octets), frame.length
        )
        octets += frame.octets
    return octets


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("unit_ns", [1, 1_000])
@given(frames=FRAMES)
def test_pcap_is_read_in_every_form(order: str, unit_ns: int, frames: list[Frame]) -> None:
    wanted = [
        frame._replace(
            link_type=113,
            at_ns=frame.at_ns // 10**9 % 2**32 * 10**9 + frame.at_ns % 10**9 // unit_ns * unit_ns,
        )
        for frame in frames
    ]
    assert list(frames_of(io.BytesIO(pcap(frames, order, unit_ns)))) == wanted


@given(frames=FRAMES)
def test_what_is_written_is_read_again(frames: list[Frame]) -> None:
    written = WrittenFrames()
    octets = written.begin() + b"".join(map(written.frame, frames))
    assert list(frames_of(io.BytesIO(octets))) == frames


@given(frames=FRAMES, cut=st.integers(0, 2_000), flips=st.lists(st.integers(0, 2_000), max_size=4))
def test_damaged_files_end_in_a_sentence(frames: list[Frame], cut: int, flips: list[int]) -> None:
    written = WrittenFrames()
    octets = bytearray(written.begin() + b"".join(map(written.frame, frames)))
    for flip in flips:
        octets[flip % len(octets)] ^= 0x5A
    del octets[len(octets) - cut % len(octets) :]
    try:
        found = list(frames_of(io.BytesIO(bytes(octets))))
    except TableError as error:
        assert str(error)
    else:
        assert len(found) <= len(frames)


def test_a_cut_file_names_the_frame() -> None:
    octets = pcap([Frame(0, 1, b"abc", 3)] * 2, "<", 1)
    frames = frames_of(io.BytesIO(octets[:-1]))
    assert next(frames).octets == b"abc"
    with pytest.raises(TableError, match="frame 2: cut off: bytes=2, bound=3"):
        next(frames)


@pytest.mark.parametrize("octets", [b"", b"abc", b"GIF89a" * 20])
def test_what_is_no_capture_is_refused(octets: bytes) -> None:
    with pytest.raises(TableError, match=r"cut off|not a capture"):
        list(frames_of(io.BytesIO(octets)))


def test_a_length_that_nobody_captures_is_refused() -> None:
    octets = pcap([], "<", 1) + struct.pack("<IIII", 0, 0, 2**31, 2**31)
    with pytest.raises(TableError, match="frame 1: damaged: bytes=2147483648, bound=262144"):
        list(frames_of(io.BytesIO(octets)))
