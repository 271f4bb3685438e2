"""SMPP PDUs made to order, and those of a capture."""

import struct
from collections.abc import Iterator
from pathlib import Path

from ringfence.adapters.smpp.pdu import SUBMIT_SM, Framing, Pdu, written

CALLED = "447700900123"
CALLER = "441632960321"
Written = tuple[int, int, str]
"""Type of number, numbering plan, digits."""


def address(value: Written) -> bytes:
    ton, npi, text = value
    return bytes((ton, npi)) + text.encode("latin-1") + b"\0"


def tlv(tag: int, value: bytes) -> bytes:
    return struct.pack(">HH", tag, len(value)) + value


def message(
    text: bytes = b"hello",
    *,
    called: Written = (1, 1, CALLED),
    caller: Written = (1, 1, CALLER),
    esm_class: int = 0,
    tlvs: bytes = b"",
    service: bytes = b"",
) -> bytes:
    """The body of a submit_sm or deliver_sm."""
    head = service + b"\0" + address(caller) + address(called) + bytes((esm_class, 0, 0))
    return head + b"\0\0" + bytes((0, 0, 0, 0, len(text))) + text + tlvs


def multi(
    *called: Written, lists: tuple[bytes, ...] = (), caller: Written = (1, 1, CALLER)
) -> bytes:
    """The body of a submit_multi."""
    numbers = b"".join(b"\x01" + address(each) for each in called)
    names = b"".join(b"\x02" + name + b"\0" for name in lists)
    count = bytes((len(called) + len(lists),))
    head = b"\0" + address(caller) + count + numbers + names
    return head + b"\0\0\0" + b"\0\0" + b"\0\0\0\0" + b"\x05hello"


def data(
    *,
    called: Written = (1, 1, CALLED),
    caller: Written = (1, 1, CALLER),
    esm_class: int = 0,
    tlvs: bytes = b"",
) -> bytes:
    """The body of a data_sm."""
    return b"\0" + address(caller) + address(called) + bytes((esm_class, 0, 0)) + tlvs


def pdu(body: bytes, command: int = SUBMIT_SM, sequence: int = 1) -> Pdu:
    return Pdu(command, 0, sequence, body)


def octets(body: bytes, command: int = SUBMIT_SM, sequence: int = 1) -> bytes:
    return written(command, 0, sequence, body)


def udh8(reference: int, total: int, number: int) -> bytes:
    return bytes((5, 0, 3, reference, total, number))


def udh16(reference: int, total: int, number: int) -> bytes:
    return struct.pack(">BBBHBB", 6, 8, 4, reference, total, number)


def sar(reference: int, total: int, number: int) -> bytes:
    parts = tlv(0x020C, struct.pack(">H", reference)), tlv(0x020E, bytes((total,)))
    return b"".join(parts) + tlv(0x020F, bytes((number,)))


def captured(path: Path, server_port: int) -> Iterator[tuple[int, Pdu]]:
    """The PDUs that clients sent to a port, in a pcap of Ethernet and IPv4, with the time of each.

    Segments must be in order, as on the loopback interface they are.
    """
    octets = path.read_bytes()
    magic = octets[:4]
    order = "<" if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    framings: dict[bytes, Framing] = {}
    at = 24
    while at < len(octets):
        seconds, _, kept, _ = struct.unpack_from(order + "4I", octets, at)
        packet = octets[at + 16 + 14 : at + 16 + kept]
        at += 16 + kept
        size = struct.unpack_from(">H", packet, 2)[0]
        ip_header = (packet[0] & 15) * 4
        segment = packet[ip_header:size]
        if struct.unpack_from(">H", segment, 2)[0] == server_port:
            framing = framings.setdefault(segment[:2], Framing())
            for each in framing.feed(segment[(segment[12] >> 4) * 4 :]):
                yield seconds, each
