"""Frames as tshark is given them: pcapng, so that links of several kinds go through one tshark,
and marks between them, by which it tells how far it is.
"""

from __future__ import annotations

import struct

from ringfence.adapters.tap.frames import Frame

MARK = 0x88B5
"""The EtherType of marks: one that IEEE 802 keeps for local experiments."""
_ETHERNET = 1
_BLOCK_OF_SECTION = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
_NANOSECONDS = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)  # if_tsresol, end of options


class WrittenFrames:
    """The octets of one stream of frames, from its beginning."""

    def __init__(self) -> None:
        self._interfaces: dict[int, int] = {}

    def begin(self) -> bytes:
        """What comes before all frames; the first link is Ethernet, for the marks."""
        return _BLOCK_OF_SECTION + self._interface(_ETHERNET)

    def frame(self, frame: Frame) -> bytes:
        """One frame, and its link where that is a new one."""
        before = b""
        if frame.link_type not in self._interfaces:
            before = self._interface(frame.link_type)
        octets, length = frame.octets, len(frame.octets)
        padding = -length % 4
        whole = 32 + length + padding
        at = max(0, frame.at_ns)
        return before + b"".join(
            (
                struct.pack("<II", 6, whole),
                struct.pack("<I", self._interfaces[frame.link_type]),
                struct.pack("<II", at >> 32 & 0xFFFFFFFF, at & 0xFFFFFFFF),
                struct.pack("<II", length, max(length, frame.length)),
                octets,
                bytes(padding),
                struct.pack("<I", whole),
            )
        )

    def mark(self, number: int, at_ns: int) -> bytes:
        """A frame that makes tshark print `mark` and the number."""
        octets = bytes(12) + struct.pack(">HI", MARK, number & 0xFFFFFFFF) + bytes(42)
        return self.frame(Frame(at_ns, _ETHERNET, octets, len(octets)))

    def _interface(self, link_type: int) -> bytes:
        self._interfaces[link_type] = len(self._interfaces)
        body = struct.pack("<HHI", link_type, 0, 0) + _NANOSECONDS
        return struct.pack("<II", 1, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))
