"""SMPP 3.4 on the wire: from octets of a stream to PDUs, and the PDUs that we send.

A PDU is a header of 16 octets, four numbers of 32 bits, big-endian, and a body: length of all of
it, command, status, sequence number. When a length cannot be right, nothing that follows can be
found any more, and the connection has to go.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ringfence.adapters.base import Unreadable

HEADER_BYTES = 16
PDU_MAX = 131_072
"""A message_payload of 64 KiB, and room for what is beside it."""
BIND_MAX = 1_024
"""Of who has not bound yet nothing longer is taken."""

RESPONSE = 0x80000000
GENERIC_NACK = RESPONSE
BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER = 0x1, 0x2, 0x9
QUERY_SM, SUBMIT_SM, DELIVER_SM, UNBIND, REPLACE_SM, CANCEL_SM = 0x3, 0x4, 0x5, 0x6, 0x7, 0x8
OUTBIND, ENQUIRE_LINK, SUBMIT_MULTI, ALERT, DATA_SM = 0xB, 0x15, 0x21, 0x102, 0x103

OK = 0x0
INVALID_MESSAGE_LENGTH, INVALID_COMMAND_LENGTH, INVALID_COMMAND = 0x1, 0x2, 0x3
WRONG_BIND_STATUS, ALREADY_BOUND, INVALID_DESTINATION = 0x4, 0x5, 0xB
BIND_FAILED, INVALID_PASSWORD, CANCEL_FAILED, REPLACE_FAILED = 0xD, 0xE, 0x11, 0x13
INVALID_DISTRIBUTION_LIST, THROTTLED, QUERY_FAILED, INVALID_TLVS = 0x34, 0x58, 0x67, 0xC0

VERSION = 0x34
VERSION_TLV = struct.pack(">HHB", 0x0210, 1, VERSION)
"""sc_interface_version, in the answer to a bind."""

_HEADER = struct.Struct(">4I")
_new = tuple.__new__  # what a NamedTuple does by way of a function of Python


class Pdu(NamedTuple):
    """One PDU; the body is not read yet."""

    command: int
    status: int
    sequence: int
    body: bytes


class Framing:
    """Takes octets as they come, and gives the PDUs that are whole; holds one at most."""

    def __init__(self, limit: int = PDU_MAX) -> None:
        self.limit = limit
        """The longest PDU; may be changed between PDUs."""
        self._left = bytearray()
        self._needed = HEADER_BYTES

    @property
    def inside(self) -> bool:
        """Whether a PDU has begun and is not whole."""
        return bool(self._left)

    def feed(self, octets: bytes) -> Iterator[Pdu]:
        """The PDUs that end in these octets; raises Unreadable for a length that cannot be."""
        if self._left:
            self._left += octets
            if len(self._left) < self._needed:
                return
            octets = bytes(self._left)
            self._left.clear()
        at, end = 0, len(octets)
        self._needed = HEADER_BYTES
        while end - at >= HEADER_BYTES:
            length, command, status, sequence = _HEADER.unpack_from(octets, at)
            if not HEADER_BYTES <= length <= self.limit:
                raise Unreadable("smpp_length")
            if end - at < length:
                self._needed = length
                break
            body = octets[at + HEADER_BYTES : at + length]
            yield _new(Pdu, (command, status, sequence, body))
            at += length
        if at < end:
            self._left += octets[at:]


def written(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    """A PDU as octets."""
    return _HEADER.pack(HEADER_BYTES + len(body), command, status, sequence) + body
