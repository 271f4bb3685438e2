"""Frames of capture files: pcap and pcapng, in either byte order, to the nanosecond.

Formats: pcap as in draft-ietf-opsawg-pcap, pcapng as in draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

from ringfence.wording.tables import TableError

FRAME_MAX = 262_144
"""Octets of a frame, as capturing programs have it."""
_BLOCK_MAX = 16 << 20
_PCAP = {0xA1B2C3D4: 1_000, 0xA1B23C4D: 1}  # magic, and nanoseconds of its fraction
_SECTION, _INTERFACE, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 3, 6
_BYTE_ORDER = 0x1A2B3C4D
_RESOLUTION, _OFFSET = 9, 14  # options if_tsresol and if_tsoffset
_NANO = 10**9


class Frame(NamedTuple):
    """A frame as it was captured."""

    at_ns: int
    """Unix nanoseconds."""
    link_type: int
    """As tcpdump.org registers them; 1 = Ethernet."""
    octets: bytes
    length: int
    """On the wire; more than the octets when the capture cut it."""


def frames_of(file: IO[bytes]) -> Iterator[Frame]:
    """The frames in their order; raises TableError for no capture, a damaged or a cut one."""
    head = _read(file, 4, "its first 4 bytes")
    for order in "<>":
        (magic,) = struct.unpack(order + "I", head)
        if magic in _PCAP:
            yield from _pcap(file, order, _PCAP[magic])
            return
    if head == struct.pack("<I", _SECTION):
        yield from _pcapng(file)
        return
    raise TableError("not a capture: bound=pcap or pcapng, perhaps packed by gzip, bzip2 or xz")


def _pcap(file: IO[bytes], order: str, unit_ns: int) -> Iterator[Frame]:
    rest = _read(file, 20, "the header")
    link_type = struct.unpack(order + "I", rest[16:])[0] & 0xFFFF
    header = struct.Struct(order + "IIII")
    count = 0
    while first := file.read(16):
        count += 1
        where = f"frame {count}"
        first += _read(file, 16 - len(first), where) if len(first) < 16 else b""
        seconds, fraction, kept, length = header.unpack(first)
        if kept > FRAME_MAX:
            raise TableError(f"{where}: damaged: bytes={kept}, bound={FRAME_MAX}")
        octets = _read(file, kept, where)
        yield Frame(seconds * _NANO + fraction * unit_ns, link_type, octets, length)


class _Interface(NamedTuple):
    link_type: int
    kept_max: int
    units_a_s: int
    offset_s: int


def _pcapng(file: IO[bytes]) -> Iterator[Frame]:
    order = "<"
    interfaces: list[_Interface] = []
    count = 0
    kind = _SECTION  # its first four octets have been read
    while True:
        count += 1
        where = f"block {count}"
        if kind == _SECTION:
            head = _read(file, 8, where)
            order = "<" if struct.unpack("<I", head[4:])[0] == _BYTE_ORDER else ">"
            if struct.unpack(order + "I", head[4:])[0] != _BYTE_ORDER:
                raise TableError(f"{where}: damaged: no byte order")
            (length,) = struct.unpack(order + "I", head[:4])
            _body(file, length, 16, where)
            interfaces.clear()
        else:
            (length,) = struct.unpack(order + "I", _read(file, 4, where))
            body = _body(file, length, 12, where)
            if kind == _INTERFACE:
                interfaces.append(_interface(body, order, where))
            elif kind == _ENHANCED:
                yield _enhanced(body, order, interfaces, where)
            elif kind == _SIMPLE:
                raise TableError(f"{where}: its frames have no time")
        first = file.read(4)
        if not first:
            return
        first += _read(file, 4 - len(first), where) if len(first) < 4 else b""
        (kind,) = struct.unpack(order + "I", first)


def _body(file: IO[bytes], length: int, known: int, where: str) -> bytes:
    """What is in a block of `length` octets, of which `known` are around it."""
    if not known <= length <= _BLOCK_MAX or length % 4:
        raise TableError(f"{where}: damaged: bytes={length}, bound={known} to {_BLOCK_MAX}")
    return _read(file, length - known + 4, where)[:-4]


def _interface(body: bytes, order: str, where: str) -> _Interface:
    if len(body) < 8:
        raise TableError(f"{where}: damaged: no interface")
    link_type, _, kept_max = struct.unpack(order + "HHI", body[:8])
    units, offset = 10**6, 0
    at = 8
    while at + 4 <= len(body):
        code, length = struct.unpack(order + "HH", body[at : at + 4])
        value = body[at + 4 : at + 4 + length]
        if code == _RESOLUTION and length == 1:
            power = value[0] & 0x7F
            if power > 63:
                raise TableError(f"{where}: damaged: resolution={power}")
            units = 2**power if value[0] & 0x80 else 10**power
        elif code == _OFFSET and length == 8:
            (offset,) = struct.unpack(order + "q", value)
        at += 4 + (length + 3 & ~3)
    return _Interface(link_type, kept_max, units, offset)


def _enhanced(body: bytes, order: str, interfaces: list[_Interface], where: str) -> Frame:
    if len(body) < 20:
        raise TableError(f"{where}: damaged: no frame")
    index, high, low, kept, length = struct.unpack(order + "IIIII", body[:20])
    if index >= len(interfaces) or kept > min(len(body) - 20, FRAME_MAX):
        raise TableError(f"{where}: damaged: interface={index}, bytes={kept}")
    of = interfaces[index]
    at_ns = (high << 32 | low) * _NANO // of.units_a_s + of.offset_s * _NANO
    return Frame(at_ns, of.link_type, body[20 : 20 + kept], length)


def _read(file: IO[bytes], count: int, where: str) -> bytes:
    octets = file.read(count)
    if len(octets) < count:
        raise TableError(f"{where}: cut off: bytes={len(octets)}, bound={count}")
    return octets
