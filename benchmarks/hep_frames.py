"""HEP3 datagrams for benchmarks: what a switch mirrors of calls to numbers of nobody's."""

import random
import struct
from collections.abc import Iterator

from feeds import CALLERS, FIRST_CALLER, FIRST_NUMBER

SDP = (
    "v=0\r\no=- 53655765 2353687637 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n"
)
INVITE = (
    "INVITE sip:+{called}@192.0.2.1:5060;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK-{n}-1-0\r\n"
    'From: "Parcel Desk" <sip:+{caller}@caller.example;user=phone>;tag=7T{n}\r\n'
    "To: <sip:+{called}@quarantine.example;user=phone>\r\n"
    "Call-ID: {n}-{run}@192.0.2.7\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:+{caller}@192.0.2.7:5060>\r\nMax-Forwards: 70\r\nUser-Agent: a switch\r\n"
    "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, MESSAGE\r\n"
    "Supported: timer, 100rel\r\nSession-Expires: 1800\r\n"
    f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}"
)
REPLY = (
    "SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK-{n}-1-0\r\n"
    'From: "Parcel Desk" <sip:+{caller}@caller.example;user=phone>;tag=7T{n}\r\n'
    "To: <sip:+{called}@quarantine.example;user=phone>;tag=a6a1\r\n"
    "Call-ID: {n}-{run}@192.0.2.7\r\nCSeq: 1 INVITE\r\nServer: a switch\r\n"
    'Reason: Q.850;cause=1;text="Unallocated number"\r\nContent-Length: 0\r\n\r\n'
)
ACK = (
    "ACK sip:+{called}@192.0.2.1:5060;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK-{n}-1-0\r\n"
    'From: "Parcel Desk" <sip:+{caller}@caller.example;user=phone>;tag=7T{n}\r\n'
    "To: <sip:+{called}@quarantine.example;user=phone>;tag=a6a1\r\n"
    "Call-ID: {n}-{run}@192.0.2.7\r\nCSeq: 1 ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
KINDS = {"INVITE": (INVITE,), "INVITE, reply, ACK": (INVITE, REPLY, ACK)}
"""What a switch is told to mirror: by its script, or all."""


def make_frames(kind: str, calls: int, numbers: int, at: int, seed: int) -> Iterator[bytes]:
    """The datagrams of so many calls at random numbers; `at` is their time, unix seconds."""
    chance = random.Random(seed)
    run = chance.getrandbits(64)
    for n in range(calls):
        called = FIRST_NUMBER + chance.randrange(numbers)
        caller = FIRST_CALLER + chance.randrange(CALLERS)
        for text in KINDS[kind]:
            yield _frame(text.format(called=called, caller=caller, n=n, run=run).encode(), at)


def _frame(payload: bytes, at: int) -> bytes:
    """With the chunks of Kamailio, in its order."""
    chunks = (
        *((1, b"\x02"), (2, b"\x11"), (3, b"\xc0\x00\x02\x07"), (4, b"\xc0\x00\x02\x01")),
        *((7, b"\x13\xc4"), (8, b"\x13\xc4"), (9, struct.pack(">I", at)), (10, bytes(4))),
        *((11, b"\x01"), (12, b"\x00\x00\x07\xd1"), (15, payload)),
    )
    body = b"".join(struct.pack(">HHH", 0, kind, len(data) + 6) + data for kind, data in chunks)
    return b"HEP3" + struct.pack(">H", len(body) + 6) + body
