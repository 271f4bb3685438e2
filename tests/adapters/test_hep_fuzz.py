"""What was really captured, and then broken: everything has an outcome, and memory is bounded.

`tests/fuzz` is for a fuzzer that is guided by coverage; this is for every run.
"""

import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.places import DATA
from support.switch_traffic import AT, CALLED, chunk, former, framed, hep, hlog, sip

from ringfence import demo
from ringfence.adapters.agents import Agent, Agents
from ringfence.adapters.base import Unreadable
from ringfence.adapters.hep import Framing, read_capture, read_datagram
from ringfence.adapters.hep_reader import SECONDS_MAX, HepReader
from ringfence.adapters.sip_pieces import OCTETS_MAX, STREAMS_MAX
from ringfence.wording.dialled import DialPlan

GB = DialPlan.of_country(44)
CAPTURES = (Path(demo.__file__).with_name("hep_capture.bin"), *sorted(DATA.glob("cases/*.bin")))


def captured() -> list[bytes]:
    """A datagram of each kind of the shipped capture, and all of the cases."""
    records = []
    for path in CAPTURES:
        with path.open("rb") as file:
            of_file = [datagram for _, datagram in read_capture(file)]
        records += of_file if len(of_file) < 100 else of_file[:: len(of_file) // 40]
    return records


RECORDS = captured()
PAYLOADS = [read_datagram(record).payload for record in RECORDS]
CRITICAL = st.sampled_from(
    (
        *(b"\r\n", b"\r\n\r\n", b"\n ", b"\0", b"\xff\xfe", b"INVITE ", b"SIP/2.0\r\n", b":", b";"),
        *(b'"', b"<", b">", b"%", b"%2", b"@", b"sip:", b"tel:", b"l: 99999999\r\n", b"t: \r\n"),
        *(
            b"HEP3",
            b"\0\0\0\x0f\0\6",
            b"\xff\xff",
            b"\0\0\0\x10\xff\xff",
            b"\2\x10\2\6",
            b"-",
            b",",
        ),
        *(b"Content-Type: message/cpim\r\n", b"Content-Type: multipart/mixed;boundary=a\r\n"),
        *(b"m=video 1\r\n", b"a=group:BUNDLE 0\r\n", b"--a\r\n", b"\xd9\xa0" * 12, b"9" * 400),
    )
)


@st.composite
def mutated(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of them with some octets changed, missing, repeated, or from another of them."""
    octets = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(octets)))
        end = at + draw(st.sampled_from((0, 0, 1, 4, 40)))
        match draw(st.integers(0, 4)):
            case 0:
                octets[at:end] = draw(st.binary(max_size=4))
            case 1:
                octets[at:at] = octets[at:end] * draw(st.integers(1, 30))
            case 2:
                other = draw(st.sampled_from(originals))
                octets[at:end] = other[draw(st.integers(0, len(other))) :]
            case 3:
                octets[at:end] = draw(CRITICAL)
            case 4:
                del octets[at:]
    return bytes(octets[:65_535])


def wrapped(payload: bytes, way: int) -> bytes:
    """A payload in a frame that is whole."""
    payload = payload[:60_000]
    match way:
        case 0:
            return hep(payload)
        case 1:
            return hep(payload, transport=6)
        case 2:
            return hep(payload, protocol=100, more=chunk(17, b"c1"))
        case 3:
            return framed(chunk(11, b"\1"), chunk(16, zlib.compress(payload)))
        case 4:
            return former(payload)
        case _:
            return former(payload, version=1, transport=6)


@pytest.fixture(scope="module")
def reader() -> HepReader:
    """One for all, so that what one leaves behind meets the next."""
    return HepReader(GB)


def read(reader: HepReader, octets: bytes, received_at: int = AT, sender: str = "") -> None:
    """Reads it; there must be an outcome, and nothing that could not be sent."""
    before = reader.tally.total()
    for attempt in reader.read(octets, received_at, sender):
        assert 0 < attempt.called < 10**15
        assert 0 <= attempt.caller < 2**64
        assert 0 <= attempt.occurred_at <= SECONDS_MAX
    assert reader.tally.total() > before
    for began_at, ended_at in reader.lost():
        assert began_at < ended_at


@given(octets=mutated(RECORDS))
def test_captured_datagrams_that_were_broken_have_an_outcome(
    reader: HepReader, octets: bytes
) -> None:
    read(reader, octets)
    strict = HepReader(GB, auth_key="s3cr3t", agents=Agents([Agent.parse("2001=127.0.0.0/8")]))
    read(strict, octets, sender="127.0.0.1")
    assert strict.tally["event"] == 0


@given(payload=mutated(PAYLOADS), way=st.integers(0, 5))
def test_captured_messages_that_were_broken_have_an_outcome(
    reader: HepReader, payload: bytes, way: int
) -> None:
    read(reader, wrapped(payload, way))


@given(payload=mutated([hlog(f'{{"ev":"INVITE","called":"{CALLED}","caller":[1e999,"\\ud800"]}}')]))
def test_log_lines_that_were_broken_have_an_outcome(reader: HepReader, payload: bytes) -> None:
    read(reader, payload)


@given(octets=st.lists(mutated(RECORDS), max_size=4), size=st.integers(1, 70_000))
def test_streams_that_were_broken_are_cut_or_refused(octets: list[bytes], size: int) -> None:
    stream, framing, found = b"".join(octets), Framing(), b""
    try:
        for at in range(0, len(stream), size):
            found += b"".join(framing.feed(stream[at : at + size]))
    except Unreadable as unreadable:
        assert unreadable.reason in ("hep_magic", "hep_length")
    assert stream.startswith(found)
    assert len(framing.rest) <= max(65_535, size)


@given(octets=mutated(RECORDS), at=st.integers(-10, 2**40), sender=st.sampled_from(("", "::1")))
def test_times_of_receipt_however_strange(
    reader: HepReader, octets: bytes, at: int, sender: str
) -> None:
    read(reader, octets, max(at, 0), sender)


@pytest.mark.slow
def test_memory_stays_bounded_whatever_is_never_completed() -> None:
    reader = HepReader(GB, agents=Agents([Agent.parse("127.0.0.0/8")]))
    body = b"x" * 60_000
    tracemalloc.start()
    try:
        for n in range(400):
            uri = f"sip:+44770090{n % 1000:04}@x"
            begin = sip(uri=uri, call_id=str(n)).replace(b"Length: 0", b"Length: 65000") + body
            for octets in (hep(begin, transport=6, port=n), former(begin, transport=6, port=n)):
                reader.read(octets, AT, f"127.0.{n >> 8}.{n & 255}")
                reader.lost()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reader.tally["sip_piece"] == 800
    assert kept < 4 * OCTETS_MAX
    assert STREAMS_MAX * 65_535 > OCTETS_MAX, "streams alone would not bound it"


def test_compressed_payload_grows_no_further_than_a_message_may() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    reader = HepReader(GB)
    tracemalloc.start()
    try:
        read(reader, framed(chunk(11, b"\1"), chunk(16, bomb)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reader.tally == {"hep_compressed": 1}
    assert peak < 2_000_000


def test_chunks_as_many_as_fit_are_read_once() -> None:
    empty = struct.pack(">HHH", 0, 99, 6)
    octets = framed(chunk(11, b"\1"), chunk(15, sip()), empty * 10_000)
    reader = HepReader(GB)
    assert len(reader.read(octets, AT)) == 1
