"""HEP3, the encapsulation in which SIP switches and capture agents report what they see.

    message: "HEP3" | u16 length | chunk, chunk ...
    chunk:   u16 vendor | u16 type | u16 length | data

Big-endian; each length counts its own header. Chunks come in any order, those of other vendors and
unknown types are skipped by their length. Source: github.com/sipcapture/HEP, revision 37.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from ringfence.adapters.base import Unreadable

MAGIC = b"HEP3"
HEADER = struct.Struct(">4sH")
CHUNK = struct.Struct(">HHH")
RECORD = struct.Struct(">IQ")
DATAGRAM_MAX = 65_535
PAYLOAD_MAX = 65_535
"""Of a compressed payload when it is unpacked; a SIP message on UDP cannot be longer."""

SIP = 1
LOG = 100

_PACKETS = frozenset((17, 132))
"""What carries each message by itself: UDP and SCTP. Of TLS FreeSWITCH says 22."""

_TRANSPORT, _SECONDS, _PROTOCOL, _CAPTURE_ID, _AUTH_KEY = 2, 9, 11, 12, 14
_PAYLOAD, _COMPRESSED, _CORRELATION = 15, 16, 17
_MESSAGES = frozenset((_PAYLOAD, _COMPRESSED))
_READ = {
    _TRANSPORT: 1, _SECONDS: 4, _PROTOCOL: 1, _AUTH_KEY: 0,
    _PAYLOAD: 0, _COMPRESSED: 0, _CORRELATION: 0,
    3: 0, 4: 0, 5: 0, 6: 0, 7: 0, 8: 0, _CAPTURE_ID: 0,  # 3 to 8 are addresses and ports
}  # fmt: skip
"""Chunk types of vendor 0 that are read, and how many octets each has (0 = any number)."""
_SHORT = frozenset((3, 4, 5, 6, 7, 8, _CAPTURE_ID))
SHORT_MAX = 16
"""Addresses, ports and the capture id are remembered with a call: they have no more octets."""


@dataclass(slots=True)  # not frozen: that takes its time
class Datagram:
    """What one HEP3 message carries."""

    protocol: int
    """1 = SIP, 100 = log line; see the specification for others."""
    transport: int
    """What carried the payload, by its number in IP; 0 = not said."""
    payload: bytes = field(repr=False)
    captured_at: int
    """Unix seconds; 0 = not said."""
    correlation: bytes
    """Call-ID that the agent names; empty when it names none."""
    auth_key: bytes = field(repr=False)
    trailing: bool
    """Octets followed the end that the header gives."""
    chunks: dict[int, bytes] = field(repr=False)
    """What was read, but for the payload."""
    sender: str = ""
    """The address that the agent sent it from; empty when that is not known."""
    named: int = -1
    """Which of the named agents that is."""
    version: int = 3

    @property
    def is_piece(self) -> bool:
        """Whether the payload is a piece of a stream, or may be one."""
        return self.transport not in _PACKETS

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """Where the packet came from and went to; the same for all packets of a connection, and
        for the next connection, which has another port of its own."""
        said = self.chunks.get
        return said(3, b""), said(4, b""), said(5, b""), said(6, b""), said(8, b"")

    @property
    def capture_id(self) -> bytes:
        """The number that the agent has given itself; empty when it has none."""
        return self.chunks.get(_CAPTURE_ID, b"")

    @property
    def agent(self) -> bytes:
        """A name for the agent; empty when it has no number. Some do not give each its own."""
        number = self.capture_id
        return number and number + self.sender.encode()

    @property
    def connection(self) -> bytes:
        """A name for one direction of a connection; empty unless all addresses are said."""
        said = self.chunks.get
        for source, destination in ((3, 4), (5, 6)):
            ends = [said(kind, b"") for kind in (source, destination, 7, 8)]
            if all(ends):
                ends += [self.capture_id, self.sender.encode()]
                return b"/".join(part.hex().encode() for part in ends)
        return b""


def read_datagram(octets: bytes) -> Datagram:
    """Reads one HEP3 message; raises Unreadable."""
    size = len(octets)
    if size < HEADER.size or octets[:4] != MAGIC:
        raise Unreadable("hep_magic")
    end = (octets[4] << 8) | octets[5]
    if end < HEADER.size or end > size:
        raise Unreadable("hep_length")
    found: dict[int, bytes] = {}
    at = HEADER.size
    header, unpack = CHUNK.size, CHUNK.unpack_from
    while at < end:
        if end - at < header:
            raise Unreadable("hep_chunk")
        vendor, kind, length = unpack(octets, at)
        if length < header or at + length > end:
            raise Unreadable("hep_chunk")
        if vendor == 0 and (exactly := _READ.get(kind)) is not None:
            if exactly and length - header != exactly:
                raise Unreadable("hep_chunk")
            if length - header > SHORT_MAX and kind in _SHORT:
                raise Unreadable("hep_chunk")
            if kind in _MESSAGES and not _MESSAGES.isdisjoint(found):
                raise Unreadable("hep_chunk_twice")  # which of the two is the message?
            found[kind] = octets[at + header : at + length]
        at += length
    if _PROTOCOL not in found:
        raise Unreadable("hep_no_type")
    payload, compressed = found.pop(_PAYLOAD, None), found.pop(_COMPRESSED, None)
    if payload is None:
        payload = _unpack(compressed)
    return Datagram(
        found[_PROTOCOL][0],
        int.from_bytes(found.get(_TRANSPORT, b"")),
        payload,
        int.from_bytes(found.get(_SECONDS, b"")),
        found.get(_CORRELATION, b""),
        found.get(_AUTH_KEY, b""),
        end != size,
        found,
    )


class Signature(NamedTuple):
    """What tells whose a HEP3 message is."""

    capture_id: bytes | None
    """None when it was not found."""
    auth_key: bytes


def find_signature(octets: bytes) -> Signature:
    """What can be found of it in a message that is not whole, or is broken further on."""
    found: dict[int, bytes] = {}
    at = HEADER.size
    while at + CHUNK.size <= len(octets):
        vendor, kind, length = CHUNK.unpack_from(octets, at)
        if length < CHUNK.size or at + length > len(octets):
            break
        if vendor == 0:
            found[kind] = octets[at + CHUNK.size : at + length]
        at += length
    return Signature(found.get(_CAPTURE_ID), found.get(_AUTH_KEY, b""))


def _unpack(compressed: bytes | None) -> bytes:
    """A payload of chunk 16: zlib or gzip, and never more than PAYLOAD_MAX octets of it."""
    if compressed is None:
        raise Unreadable("hep_no_payload")
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: finds out which of the two it is
    try:
        payload = stream.decompress(compressed, PAYLOAD_MAX)
    except zlib.error:
        raise Unreadable("hep_compressed") from None
    if not stream.eof:
        raise Unreadable("hep_compressed")
    return payload


class Framing:
    """Cuts a TCP stream into HEP3 messages by the length in their headers.

    Where a message does not begin with "HEP3" there is no telling where the next one does, so that
    is the end of the stream: Unreadable, after every whole message before it was given out.
    """

    def __init__(self) -> None:
        self._rest = b""

    @property
    def inside(self) -> bool:
        """Whether a message has begun that is not complete."""
        return bool(self._rest)

    @property
    def rest(self) -> bytes:
        """What there is of that message, or of what is none."""
        return self._rest

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """The messages that are complete with these octets; what is left waits for more."""
        octets = self._rest + octets
        at = 0
        try:
            while True:
                head = octets[at : at + HEADER.size]
                if not MAGIC.startswith(head[:4]):
                    raise Unreadable("hep_magic")
                if len(head) < HEADER.size:
                    return
                end = at + int.from_bytes(head[4:])
                if end < at + HEADER.size:
                    raise Unreadable("hep_length")
                if end > len(octets):
                    return
                message = octets[at:end]
                at = end
                yield message
        finally:
            self._rest = octets[at:]


class CaptureError(Exception):
    """A capture file that cannot be read to its end."""


def read_capture(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The records of a capture file: receive time in unix seconds, and the datagram.

    A record is u32 length, u64 nanoseconds since 1970 (both big-endian) and the datagram; there is
    no file header. Raises CaptureError where that ends, after the records before.
    """
    at = 0
    while head := file.read(RECORD.size):
        if len(head) < RECORD.size:
            raise CaptureError(f"capture ends inside a record: at_byte={at}")
        length, received_at_ns = RECORD.unpack(head)
        if length > DATAGRAM_MAX:
            raise CaptureError(
                f"not a capture file: at_byte={at}, length={length}, limit={DATAGRAM_MAX}"
            )
        datagram = file.read(length)
        if len(datagram) < length:
            raise CaptureError(f"capture ends inside a record: at_byte={at}")
        yield received_at_ns // 1_000_000_000, datagram
        at += RECORD.size + length
