"""Calls as agents may report them, well or badly: what hypothesis makes, and which calls are in it.

Messages follow each other on connections, which agents copy in pieces cut at any octet; pieces are
lost and repeated; versions, chunks and clocks are as various as they are in the field.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from hypothesis import strategies as st

from support.switch_traffic import AT, chunk, former, framed, sip

FIRST = 447700900000
CALLS_MAX = 4
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 0\r\n"
_LINE_ENDS = b"\r\n"


@dataclass(frozen=True)
class Arrival:
    """One datagram at the adapter."""

    after_s: int
    """Since the one before."""
    datagram: bytes
    calls: frozenset[int]
    """The numbers of calls of which it holds something that can be seen."""


@dataclass(frozen=True)
class _Piece:
    payload: bytes
    calls: frozenset[int]


class _Way(NamedTuple):
    """How an agent reports a connection, or packets."""

    stream: int
    transport: int
    version: int


_VERSIONS = st.sampled_from((3, 3, 3, 2, 1))


def _header_order(message: bytes, turn: int) -> bytes:
    """The same message with its headers in another order."""
    end = b"\r\n" if message.partition(b"\n")[0].endswith(b"\r") else b"\n"
    head, empty, body = message.partition(end * 2)
    line, *headers = head.split(end)
    turn %= len(headers)
    return end.join((line, *headers[turn:], *headers[:turn])) + empty + body


@st.composite
def _call(draw: st.DrawFn, number: int) -> bytes:
    method = draw(st.sampled_from(("INVITE", "INVITE", "MESSAGE")))
    bodies = ("", SDP) if method == "INVITE" else ("hello", "a\r\n\r\nb\r\n", "INVITE me\r\n")
    body = draw(st.sampled_from(bodies))
    kind = "Content-Type: application/sdp\r\n" if body == SDP else ""
    written = draw(st.sampled_from((f"+{number}", f"0{str(number)[2:]}")))
    message = sip(
        method,
        uri=f"sip:{written}@switch.example",
        to=f"<sip:{written}@switch.example>",
        sender=f"<sip:+44163296{number % 10_000:04}@caller.example>;tag=t{number}",
        call_id=f"c{number}",
        more=kind,
        body=body,
        end=draw(st.sampled_from(("\r\n", "\r\n", "\n"))) if not kind else "\r\n",
    )
    message = _header_order(message, draw(st.integers(0, 6)))
    way = draw(st.sampled_from(("as it is", "as it is", "compact", "no length", "folded")))
    if way == "folded":
        message = message.replace(b"\nTo:", b"\nTo:\r\n").replace(b"Length: ", b"Length :\r\n\t")
    if way == "compact":
        for long, short in ((b"Call-ID", b"i"), (b"From", b"f"), (b"To", b"t"), (b"Via", b"v")):
            message = message.replace(b"\n" + long + b":", b"\n" + short + b":")
    if way == "no length":
        lines = message.splitlines(keepends=True)
        message = b"".join(line for line in lines if not line.startswith(b"Content-Length"))
    return message


_OTHERS = (
    b"SIP/2.0 404 Not Found\r\nCall-ID: r\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
    b"SIP/2.0 200 OK\r\nCall-ID: r\r\nl: 4\r\n\r\nv=0\n",
    sip("OPTIONS"),
    sip("BYE", to="<sip:x@y>;tag=9"),
    sip("REGISTER", uri="sip:registrar.example"),
    sip("NOTIFY", uri="sip:a@b", body="SIP/2.0 100 Trying\r\n"),
    b"\r\n\r\n",
)


_NAMES = (b"via", b"from", b"to", b"call-id", b"cseq")
_MORE_NAMES = (b"max-forwards", b"content-type", b"content-length")
_SHORT = {b"v": b"via", b"f": b"from", b"t": b"to", b"i": b"call-id"}


def _reads_as_one(message: bytes) -> bool:
    """Whether nothing in a message says that it is the begin of one and the end of another."""
    end = re.search(rb"\n\r?\n", message)
    if not end:
        return False
    line, *headers = message[: end.start()].split(b"\n")
    values = {}
    for header in headers:
        name, _, value = header.lower().partition(b":")
        values[_SHORT.get(name, name)] = value
    number = line.partition(b"@")[0][-6:]
    body_length = len(message) - end.end()
    return (
        len(values) == len(headers)
        and set(_NAMES) <= values.keys() <= {*_NAMES, *_MORE_NAMES}
        and values[b"cseq"].upper().split()[1:] == line.split()[:1]
        and number.isdigit()
        and number in values[b"to"]
        and int(values.get(b"content-length", body_length)) == body_length
    )


@st.composite
def _stream(draw: st.DrawFn, numbers: list[int]) -> list[_Piece]:
    """The pieces of a connection that are reported."""
    octets, owners = b"", []
    starts = [0]
    others = st.lists(st.sampled_from(_OTHERS), max_size=2)
    if tail := draw(st.sampled_from((b"", *_OTHERS))):
        octets = tail[draw(st.integers(0, len(tail))) :]
        owners = [0] * len(octets)
    for number in numbers:
        messages = [(message, 0) for message in draw(others)]
        for message, owner in (*messages, (draw(_call(number)), number)):
            starts.append(len(octets))
            octets += message
            owners += [owner] * len(message)
    cuts = draw(st.lists(st.integers(1, len(octets) - 1), max_size=4, unique=True))
    bounds = list(pairwise((0, *sorted(cuts), len(octets))))
    which = draw(st.integers(0, len(bounds) - 1))
    hidden = 0
    match draw(st.sampled_from(("whole", "whole", "dropped", "doubled"))):
        case "dropped":
            begin, end = bounds.pop(which)
            if begin and end < len(octets):
                first = max(start for start in starts if start < begin)
                last = min(start for start in (*starts, len(octets)) if start > end)
                if _reads_as_one(octets[first:begin] + octets[end:last]):
                    hidden = owners[end]
        case "doubled":
            bounds.insert(draw(st.integers(which, len(bounds))), bounds[which])
    return [
        _Piece(
            octets[begin:end],
            frozenset(
                owner
                for owner, octet in zip(owners[begin:end], octets[begin:end], strict=True)
                if owner not in (0, hidden) and octet not in _LINE_ENDS
            ),
        )
        for begin, end in bounds
    ]


def _times(now: int, ahead: bool) -> tuple[int, ...]:
    """What agents may say of now: rightly, not at all, and with clocks that are wrong."""
    reversed_octets = struct.unpack("<I", struct.pack(">I", now))[0]
    wrong = (0, 1, 86_400, reversed_octets, now + 1_000, now - 100, 2**32 - 1)
    return (now, now, now, now - 1, *wrong, now + 100 * ahead)


@st.composite
def _datagram(
    draw: st.DrawFn,
    payload: bytes,
    way: _Way,
    times: tuple[int, ...],
) -> bytes:
    stream, transport, version = way
    at = draw(st.sampled_from(times))
    if draw(st.integers(0, 9)) == 0:
        version = draw(_VERSIONS)
    if version < 3:
        return former(
            payload, version=version, transport=transport or 6, at=at, port=15080 + stream
        )
    chunks = [
        chunk(1, b"\2"),
        chunk(2, bytes((transport,))) if transport else b"",
        chunk(3, bytes((127, 0, 0, 1))),
        chunk(4, bytes((127, 0, 0, 1))),
        chunk(7, struct.pack(">H", 15080 + stream)),
        chunk(8, struct.pack(">H", 15060)),
        chunk(9, struct.pack(">I", at)),
        chunk(11, b"\1"),
        chunk(12, struct.pack(">I", 2001)),
        chunk(15, payload) if draw(st.integers(0, 9)) else chunk(16, zlib.compress(payload)),
    ]
    for _ in range(draw(st.integers(0, 2))):
        kind, vendor = draw(st.sampled_from(((13, 0), (19, 0), (0x7777, 0), (15, 0x1234), (9, 1))))
        where = draw(st.integers(0, len(chunks)))
        chunks.insert(where, chunk(kind, draw(st.binary(max_size=9)), vendor))
    if draw(st.integers(0, 19)) == 0:  # a frame that ends too early, or says so
        return framed(*chunks)[: -draw(st.integers(1, 20))]
    chunks = chunks[(turn := draw(st.integers(0, len(chunks)))) :] + chunks[:turn]
    return framed(*chunks) + draw(st.sampled_from((b"", b"", b"\0\0")))


_GARBAGE = st.sampled_from(
    (b"", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 40, b"HEP3\0\5", b"\2\x10\2\x11" + bytes(40), sip())
)


@st.composite
def reports(
    draw: st.DrawFn,
    begin: Callable[[], tuple[int, int]] = lambda: (AT, FIRST),
    *,
    wait_s: int = 2,
    ahead: bool = True,
) -> list[Arrival]:
    """What arrives, in order, and when: several connections and packets, mixed, with garbage.

    `begin` gives the time at which it begins and the first number, `ahead`: with clocks that are
    ahead and believed, whose time cannot be claimed for as long.
    """
    now, first = begin()
    count = draw(st.integers(1, CALLS_MAX))
    numbers = [first + n for n in range(count)]
    queues: list[tuple[list[_Piece], _Way]] = []
    while numbers:
        taken = draw(st.integers(1, len(numbers)))
        mine, numbers = numbers[:taken], numbers[taken:]
        if draw(st.integers(0, 3)) == 0:
            pieces = [_Piece(draw(_call(number)), frozenset((number,))) for number in mine]
            queues.append((pieces, _Way(len(queues), 17, draw(_VERSIONS))))
        else:
            transport = draw(st.sampled_from((6, 6, 6, 22, 0)))
            queues.append((draw(_stream(mine)), _Way(len(queues), transport, draw(_VERSIONS))))
    arrivals = []
    while queues := [queue for queue in queues if queue[0]]:
        if draw(st.integers(0, 9)) == 0:
            arrivals.append(Arrival(0, draw(_GARBAGE), frozenset()))
        pieces, way = queues[draw(st.integers(0, len(queues) - 1))]
        piece = pieces.pop(0)
        after_s = draw(st.integers(0, wait_s))
        now += after_s
        datagram = draw(_datagram(piece.payload, way, _times(now, ahead)))
        arrivals.append(Arrival(after_s, datagram, piece.calls))
    return arrivals
