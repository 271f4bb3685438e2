"""Fuzzes what reads HEP3 and SIP, guided by coverage; the suite's own fuzzing is hypothesis.

    .venv/bin/pip install atheris
    .venv/bin/python tests/fuzz/fuzz_sip.py -max_total_time=300 [CORPUS_FOLDER]

The first octet chooses the way in (a datagram, a SIP message, a message's body, a log line, a
stream), the rest goes in. Only Unreadable may come out, and every datagram must have an outcome.
"""

import sys

import atheris

with atheris.instrument_imports(include=["ringfence.adapters"]):
    from ringfence.adapters.base import Unreadable
    from ringfence.adapters.hep import CHUNK, HEADER, MAGIC, Framing
    from ringfence.adapters.hep_reader import HepReader
    from ringfence.wording.dialled import DialPlan

PLAN = DialPlan.of_country(44)
START = b"INVITE sip:+447700900123@x SIP/2.0\r\n"
WRITTEN = (
    b"MESSAGE sip:+447700900123@x SIP/2.0\r\nFrom: <sip:a@x>\r\nTo: <sip:b@x>\r\nCall-ID: c\r\n"
)
SIP, LOG = 1, 100


def framed(protocol: int, payload: bytes) -> bytes:
    """A HEP3 message around a payload."""
    time = b"\x00\x01\x00\x00"  # beyond the 0 that it is read at, so that nothing is skipped
    chunks = ((9, time), (11, bytes((protocol,))), (17, b"c1"), (15, payload[:60_000]))
    body = b"".join(CHUNK.pack(0, kind, len(data) + 6) + data for kind, data in chunks)
    return HEADER.pack(MAGIC, len(body) + HEADER.size) + body


def read(datagram: bytes) -> None:
    """Reads one datagram, which must have an outcome (several, where TCP put several in one)."""
    reader = HepReader(PLAN)
    reader.read(datagram, 0)
    outcomes = [name for name in reader.tally if not name.startswith("note_")]
    if not outcomes:
        raise AssertionError(f"outcomes={outcomes}")


def one_input(octets: bytes) -> None:
    """Reads one input."""
    way, rest = octets[:1], octets[1:]
    if way < b"\x20":
        read(rest)
    elif way < b"\x80":
        read(framed(SIP, rest))
    elif way < b"\x98":
        read(framed(SIP, WRITTEN + b"Content-Type: message/cpim\r\n\r\n" + rest))
    elif way < b"\xa8":
        read(framed(SIP, WRITTEN + b"Content-Type: multipart/x;boundary=b\r\n\r\n" + rest))
    elif way < b"\xc0":
        read(framed(SIP, START + rest + b"\r\n\r\n"))
    elif way < b"\xe0":
        read(framed(LOG, rest))
    else:
        try:
            for message in Framing().feed(rest):
                read(message)
        except Unreadable:
            return


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
