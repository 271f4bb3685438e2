"""HEP versions 1 and 2, as older switches and agents still send them; always SIP, and no key.

    u8 version | u8 header length | u8 family | u8 protocol | u16 port, port | address, address
    version 2 also: u32 seconds | u32 microseconds | u16 agent | two octets to fill up
    then the payload, to the end

Ports and addresses are big-endian, times and agent as the sender's processor writes them. The
length of the header is not to be trusted: Kamailio and captagent count all but the time, FreeSWITCH
that too, and sngrep writes the upper octet of the length of everything. The family is the sender's
AF_INET6, which each system numbers in its own way. Source: the structures in these programs.
"""

from __future__ import annotations

import struct

from ringfence.adapters.base import Unreadable
from ringfence.adapters.hep import SIP, Datagram, Signature
from ringfence.adapters.sip_stream import begins_message

FORMER_VERSIONS = (1, 2)
_HEADER = struct.Struct(">BBBBHH")
_ADDRESS_OCTETS = {2: 4, **dict.fromkeys((10, 23, 24, 26, 28, 30), 16)}
"""By family; IPv6 as Linux, Windows, OpenBSD, Solaris, FreeBSD and macOS number it."""
_TIME = struct.Struct("<II2s2x")
_TIME_UNFILLED = 10
_USUAL_LENGTHS = range(16, 61)
OCTETS_MIN = _HEADER.size + 2 * 4
"""A message has more; so many are the header of the shortest."""


def is_former(octets: bytes) -> bool:
    """Whether a message is meant to be one of version 1 or 2."""
    return (
        len(octets) > OCTETS_MIN
        and octets[0] in FORMER_VERSIONS
        and (octets[2] in _ADDRESS_OCTETS or octets[1] in _USUAL_LENGTHS)
    )


def read_former(octets: bytes) -> Datagram:
    """Reads a message of version 1 or 2; raises Unreadable."""
    if not is_former(octets):
        raise Unreadable("hep_magic")
    version, _, family, transport, _, _ = _HEADER.unpack_from(octets)
    size = _ADDRESS_OCTETS.get(family)
    if size is None:
        raise Unreadable("hep_family")
    first = 3 if size == 4 else 5
    at = _HEADER.size
    chunks = {
        first: octets[at : at + size],
        first + 1: octets[at + size : at + 2 * size],
        7: octets[4:6],
        8: octets[6:8],
    }
    at += 2 * size
    captured_at = 0
    if version == 2:
        if len(octets) < at + _TIME.size:
            raise Unreadable("hep_length")
        captured_at, _, chunks[12] = _TIME.unpack_from(octets, at)
        # Who packs the structure does not fill it up; and some say 2 who have no time to say.
        places = at + _TIME.size, at + _TIME_UNFILLED, at
        at = next((each for each in places if begins_message(octets[each:])), places[0])
        captured_at = captured_at if at > places[2] else 0
    elif len(octets) < at:
        raise Unreadable("hep_length")
    return Datagram(
        SIP,
        transport,
        octets[at:],
        captured_at,
        correlation=b"",
        auth_key=b"",
        trailing=False,
        chunks=chunks,
        version=version,
    )


def find_former_signature(octets: bytes) -> Signature:
    """What tells whose a message of version 1 or 2 is."""
    try:
        return Signature(read_former(octets).capture_id, b"")
    except Unreadable:
        return Signature(None, b"")
