"""HEP3 messages, streams and capture files: what is read, and what is counted instead."""

import csv
import gzip
import io
import random
import struct
import zlib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.places import DATA
from support.switch_traffic import AT, CALLED, CALLER, chunk, expected, framed, hep, hlog, sip

from ringfence import EventKind, caller_of_text, demo
from ringfence.adapters.base import Attempt, Unreadable
from ringfence.adapters.hep import (
    PAYLOAD_MAX,
    CaptureError,
    Framing,
    read_capture,
    read_datagram,
)
from ringfence.adapters.hep_reader import AHEAD_MAX_S, BEHIND_MAX_S, SECONDS_MAX, HepReader
from ringfence.adapters.sip_stream import MESSAGES_MAX, cut_stream
from ringfence.wording.dialled import DialPlan

BANK = caller_of_text("bankname")
CAPTURE = Path(demo.__file__).with_name("hep_capture.bin")
TRUTH = DATA / "switch" / "hep_capture_expected.csv"
KINDS = (SIP, LOG, TIME, KEY, PAYLOAD, COMPRESSED, CALL_ID) = (1, 100, 9, 14, 15, 16, 17)


def read(octets: bytes, *, auth_key: str = "", received_at: int = AT) -> Attempt | str:
    """The attempt that a message gives, or the reason why it gives none."""
    reader = HepReader(DialPlan.of_country(44), auth_key=auth_key)
    made = reader.read(octets, received_at)
    outcomes = [name for name in reader.tally if not name.startswith("note_")]
    assert len(outcomes) == 1, "every datagram has one outcome"
    return made[0] if made else outcomes[0]


def read_stream(*messages: bytes, transport: int = 6) -> tuple[list[int], dict[str, int]]:
    """The called numbers, and the tally, of one datagram with all these octets in its payload."""
    reader = HepReader(DialPlan.of_country(44))
    carried = chunk(2, bytes((transport,)))
    made = reader.read(framed(protocol(), carried, chunk(PAYLOAD, b"".join(messages))), AT)
    return [attempt.called for attempt in made], dict(reader.tally)


def protocol(value: int = SIP) -> bytes:
    return chunk(11, bytes((value,)))


def test_capture_of_a_real_switch_gives_the_events_of_its_truth_file() -> None:
    reader = HepReader(DialPlan.of_country(44))
    with CAPTURE.open("rb") as file:
        records = list(read_capture(file))
    attempts = [made for at, octets in records for made in reader.read(octets, at)]
    with TRUTH.open(newline="") as file:
        truth = [expected(row) for row in csv.DictReader(file)]
    assert len(attempts) == len(truth) == 600
    assert Counter((a.called, a.caller, a.kind) for a in attempts) == Counter(truth)
    assert reader.tally.total() == len(records) == 2010
    assert all(abs(made.occurred_at - records[0][0]) < 120 for made in attempts)


@pytest.mark.parametrize("seed", range(3))
def test_capture_in_any_order_gives_the_same_events(seed: int) -> None:
    with CAPTURE.open("rb") as file:
        records = list(read_capture(file))
    random.Random(seed).shuffle(records)
    # Shuffled this wildly, copies of a call lie further apart in the file than the window is long,
    # but not in the time of the capture, which is what counts.
    reader = HepReader(DialPlan.of_country(44))
    attempts = [made for at, octets in records for made in reader.read(octets, at)]
    with TRUTH.open(newline="") as file:
        truth = Counter(expected(row) for row in csv.DictReader(file))
    assert Counter((a.called, a.caller, a.kind) for a in attempts) == truth, seed


def test_chunks_come_in_any_order_and_unknown_ones_are_skipped() -> None:
    made = read(
        framed(
            chunk(PAYLOAD, sip()),
            chunk(PAYLOAD, b"not ours", vendor=0x1234),
            chunk(0x7777, b"unknown"),
            chunk(5, bytes(16)),
            chunk(6, bytes(16)),
            protocol(),
            chunk(19, b""),
            chunk(TIME, struct.pack(">I", AT)),
        )
    )
    assert made == Attempt(447700900123, 441632960321, AT, EventKind.CALL)


def test_time_is_the_agents_or_else_that_of_receipt() -> None:
    without = framed(protocol(), chunk(PAYLOAD, sip()))
    zero = framed(protocol(), chunk(TIME, bytes(4)), chunk(PAYLOAD, sip()))
    for octets, received_at, at in (
        (hep(sip(), at=AT), AT + BEHIND_MAX_S, AT),
        (hep(sip(), at=AT), AT - AHEAD_MAX_S, AT),
        (without, 7, 7),
        (zero, 7, 7),
        (without, 2**40, SECONDS_MAX),
    ):
        made = read(octets, received_at=received_at)
        assert isinstance(made, Attempt)
        assert made.occurred_at == at


def test_time_far_ahead_of_the_receipt_is_not_believed() -> None:
    reader = HepReader(DialPlan.of_country(44))
    (made,) = reader.read(hep(sip(), at=AT + AHEAD_MAX_S + 1), AT)
    assert made.occurred_at == AT
    assert reader.tally == {"event": 1, "note_time_ahead": 1}


def test_time_far_behind_the_receipt_is_not_believed() -> None:
    for at in (1, 1_445_124, AT - BEHIND_MAX_S - 1):
        reader = HepReader(DialPlan.of_country(44))
        (made,) = reader.read(hep(sip(), at=at), AT)
        assert made.occurred_at == AT
        assert reader.tally == {"event": 1, "note_time_behind": 1}


def test_report_may_be_as_late_as_was_asked_for() -> None:
    reader = HepReader(DialPlan.of_country(44), lateness_s=3_600)
    made = [
        *reader.read(hep(sip(), at=AT - 3_600), AT),
        *reader.read(hep(OTHER, at=AT - 3_601), AT),
    ]
    assert [attempt.occurred_at for attempt in made] == [AT - 3_600, AT]


OTHER = sip(uri="sip:+447700900456@switch.example", call_id="c2")
REPLY = b"SIP/2.0 200 OK\r\nCall-ID: c0\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    "messages",
    [
        (sip(), OTHER),
        (sip(body="v=0\r\n\r\n" + OTHER.decode()), OTHER),
        (b"\r\n\r\n", sip(), b"\r\n\r\n", OTHER, b"\r\n\r\n"),
        (sip(end="\n"), b"\n", OTHER),
        (sip().replace(b"Content-Length: 0", b"l:0"), OTHER),
        (sip().replace(b"Content-Length: 0", b"CONTENT-LENGTH :\r\n 0"), OTHER),
        (sip(), OTHER.replace(b"Content-Length: 0\r\n", b"")),
        (sip(), OTHER.replace(b"Content-Length: 0", b"Content-Length: 99999")),
    ],
)
def test_messages_that_share_a_piece_of_a_tcp_stream_are_each_read(
    messages: tuple[bytes, ...],
) -> None:
    assert read_stream(*messages) == ([447700900123, 447700900456], {"event": 2})


def test_each_message_of_a_stream_has_its_outcome() -> None:
    assert read_stream(REPLY, sip()) == ([447700900123], {"reply": 1, "event": 1})
    assert read_stream(sip(), sip(), sip()[:90]) == (
        [447700900123],
        {"event": 1, "repeat": 1, "sip_truncated": 1},
    )
    assert read_stream(b"\r\n\r\n") == ([], {"keepalive": 1})
    assert read_stream(sip("BYE").replace(b"Content-Length: 0", b""), sip()) == (
        [],
        {"other_method": 1},
    ), "without a length there is no telling where it ends"


def test_messages_beyond_the_bound_of_a_piece_are_counted() -> None:
    short = b"A b SIP/2.0\r\nl: 0\r\n\r\n"
    assert read_stream(*[short] * (MESSAGES_MAX - 1), sip())[1] == {
        "other_method": MESSAGES_MAX - 1,
        "event": 1,
    }
    assert read_stream(*[short] * MESSAGES_MAX, sip(), sip()) == (
        [],
        {"other_method": MESSAGES_MAX, "sip_too_many_messages": 1},
    )


@pytest.mark.parametrize("transport", [0, 22])
def test_payload_that_may_be_a_piece_of_a_stream_is_read_as_one(transport: int) -> None:
    assert read_stream(sip(), OTHER, transport=transport)[1] == {"event": 2}
    assert read_stream(b"xyz\r\n", sip(), transport=transport)[1] == {"event": 1, "sip_tail": 1}


@pytest.mark.parametrize("transport", [132, 17])
def test_payload_that_is_a_packet_of_its_own_is_one_message(transport: int) -> None:
    assert read_stream(sip(), OTHER, transport=transport) == ([447700900123], {"event": 1})


@given(st.lists(st.sampled_from([sip(), OTHER, REPLY, b"\r\n", b"l: 9\r\n\r\n", b"l:", b"x\n"])))
def test_any_piece_of_a_stream_is_cut_without_a_loss(pieces: list[bytes]) -> None:
    octets = b"".join(pieces)
    cut = []
    try:
        for begin, end, _ in cut_stream(octets):
            cut.append(octets[begin:end])  # those before the error are what is asked for
    except Unreadable:
        assert len(cut) == MESSAGES_MAX
        return
    assert b"".join(cut).translate(None, b"\r\n") == octets.translate(None, b"\r\n")


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "hep_magic"),
        (b"HEP3", "hep_magic"),
        (b"HEP2" + hep(sip())[4:], "hep_magic"),
        (sip(), "hep_magic"),
        (b"\x02\x10\x63\x11" + bytes(40), "hep_family"),
        (b"\x02\x10\x02\x11" + bytes(20), "hep_length"),
        (b"HEP3\x00\x05", "hep_length"),
        (hep(sip())[:-1], "hep_length"),
        (framed(protocol(), b"\x00"), "hep_chunk"),
        (framed(protocol(), struct.pack(">HHH", 0, 15, 5)), "hep_chunk"),
        (framed(protocol(), struct.pack(">HHH", 0, 15, 0)), "hep_chunk"),
        (framed(protocol(), struct.pack(">HHH", 0, 15, 99) + sip()[:50]), "hep_chunk"),
        (framed(chunk(11, b""), chunk(PAYLOAD, sip())), "hep_chunk"),
        (framed(protocol(), chunk(12, bytes(17)), chunk(PAYLOAD, sip())), "hep_chunk"),
        (framed(protocol(), chunk(7, bytes(60_000)), chunk(PAYLOAD, sip())), "hep_chunk"),
        (framed(protocol(), chunk(PAYLOAD, sip()), chunk(PAYLOAD, b"")), "hep_chunk_twice"),
        (framed(protocol(), chunk(16, b""), chunk(PAYLOAD, sip())), "hep_chunk_twice"),
        (framed(protocol(), chunk(TIME, b"\x01"), chunk(PAYLOAD, sip())), "hep_chunk"),
        (framed(), "hep_no_type"),
        (framed(chunk(PAYLOAD, sip())), "hep_no_type"),
        (framed(protocol()), "hep_no_payload"),
        (hep(sip(), protocol=5), "hep_type"),
        (hep(b""), "keepalive"),
    ],
)
def test_what_is_not_read_has_one_reason(octets: bytes, reason: str) -> None:
    assert read(octets) == reason


def test_octets_after_the_end_are_noted_and_not_read() -> None:
    reader = HepReader(DialPlan.of_country(44))
    assert reader.read(hep(sip()) + hep(sip(call_id="other")), AT)
    assert reader.tally == {"event": 1, "note_trailing_octets": 1}


def test_key_is_compared_when_one_is_asked_for() -> None:
    keyed = hep(sip(), more=chunk(KEY, b"s3cr3t"))
    assert isinstance(read(keyed), Attempt)
    assert isinstance(read(keyed, auth_key="s3cr3t"), Attempt)
    assert read(keyed, auth_key="s3cr3") == "hep_auth_key"
    assert read(hep(sip()), auth_key="s3cr3t") == "hep_auth_key"


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress])
def test_compressed_payload_is_unpacked(compress: object) -> None:
    assert callable(compress)
    made = read(framed(protocol(), chunk(COMPRESSED, compress(sip()))))
    assert isinstance(made, Attempt)


@pytest.mark.parametrize(
    "octets", [b"", b"garbage", zlib.compress(sip())[:-4], zlib.compress(bytes(PAYLOAD_MAX + 1))]
)
def test_payload_that_cannot_be_unpacked_within_its_bound_is_counted(octets: bytes) -> None:
    assert read(framed(protocol(), chunk(COMPRESSED, octets))) == "hep_compressed"


@pytest.mark.parametrize(
    ("line", "caller", "kind"),
    [
        (f'{{"ev":"INVITE","called":"{CALLED}","caller":"{CALLER}"}}', 441632960321, 1),
        ('{"called":"07700900123","caller":"01632960321","ts":1,"ev":"INVITE"}', 441632960321, 1),
        ('{"ev":"INVITE","called":447700900123,"caller":441632960321}', 441632960321, 1),
        (f'{{"ev":"INVITE","called":"sip:{CALLED}@x","caller":"tel:{CALLER}"}}', 441632960321, 1),
        (f'{{"ev":"INVITE","called":"%2B447700900123","caller":"{CALLER}"}}', 441632960321, 1),
        (f'{{"ev":"MESSAGE","called":"{CALLED}","caller":"{CALLER}"}}', 441632960321, 2),
        (f'{{"ev":"MESSAGE","called":"{CALLED}","caller":"BANKNAME"}}', BANK, 3),
        (f'{{"ev":"MESSAGE","called":"{CALLED}","caller":"61234"}}', 61234, 3),
        (f'{{"ev":"INVITE","called":"{CALLED}","caller":"Anonymous"}}', 0, 1),
        (f'{{"ev":"INVITE","called":"{CALLED}","caller":"<null>"}}', 0, 1),
        (f'{{"ev":"INVITE","called":"{CALLED}"}}', 0, 1),
        (f'{{"ev":"INVITE","called":"{CALLED}","caller":null}}', 0, 1),
        (f'{{"ev":"MESSAGE","called":"{CALLED}","caller":null}}', 0, 2),
        (f'{{"ev":"INVITE","called":"{CALLED}","caller":"\\ud800"}}', caller_of_text("?"), 1),
    ],
)  # fmt: skip
def test_log_line_is_an_attempt(line: str, caller: int, kind: int) -> None:
    assert read(hlog(line)) == Attempt(447700900123, caller, AT, EventKind(kind))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "log_unreadable"),
        ("kamailio: started", "log_unreadable"),
        ("[1]", "log_unreadable"),
        ("{}", "log_unreadable"),
        ("[" * 50_000, "log_unreadable"),
        ("9" * 50_000, "log_unreadable"),
        ('{"ev":"INVITE","called":["x"],"caller":"y"}', "log_unreadable"),
        ('{"ev":"INVITE","called":true,"caller":"y"}', "log_unreadable"),
        (f'{{"ev":"INVITE","called":"{CALLED}","called":"07700900456"}}', "log_unreadable"),
        ('{"ev":["INVITE"],"called":"x","caller":"y"}', "log_unreadable"),
        ('{"ev":"BYE","called":"x","caller":"y"}', "other_method"),
        ('{"ev":"INVITE","caller":"y"}', "called_not_a_number"),
        ('{"ev":"INVITE","called":"alice","caller":"y"}', "called_not_a_number"),
        ('{"ev":"INVITE","called":"sip:a@b@c","caller":"y"}', "uri_unreadable"),
    ],
)  # fmt: skip
def test_log_line_that_is_no_attempt_is_counted(line: str, reason: str) -> None:
    assert read(hlog(line)) == reason


@pytest.mark.parametrize("caller", ['["x"]', "true", "1.5", '"sip:a@b@c"'])
def test_log_line_with_an_unreadable_caller_is_noted(caller: str) -> None:
    reader = HepReader(DialPlan.of_country(44))
    (made,) = reader.read(hlog(f'{{"ev":"INVITE","called":"{CALLED}","caller":{caller}}}'), AT)
    assert (made.called, made.caller) == (447700900123, 0)
    assert reader.tally == {"event": 1, "note_caller_unreadable": 1}


@pytest.mark.parametrize(
    "caller",
    [
        *("", ',"caller":null', ',"caller":""', ',"caller":"sip:anonymous.invalid"'),
        *(',"caller":"sip:2001@Anonymous.Invalid"', ',"caller":"<null>"'),
    ],
)
def test_log_line_without_a_caller_is_withheld_and_not_noted(caller: str) -> None:
    reader = HepReader(DialPlan.of_country(44))
    (made,) = reader.read(hlog(f'{{"ev":"INVITE","called":"{CALLED}"{caller}}}'), AT)
    assert made.caller == 0
    assert reader.tally == {"event": 1}


def test_log_line_without_a_call_id_is_counted() -> None:
    line = f'{{"ev":"INVITE","called":"{CALLED}","caller":"{CALLER}"}}'
    assert read(hlog(line, call_id="")) == "log_without_call_id"


MESSAGES = [hep(sip(call_id=f"c{n}", body="x" * n)) for n in range(3)]


@given(st.lists(st.integers(0, sum(map(len, MESSAGES))), max_size=12))
def test_stream_may_be_split_at_any_octet(cuts: list[int]) -> None:
    stream = b"".join(MESSAGES)
    ends = [0, *sorted(cuts), len(stream)]
    framing = Framing()
    got = [message for begin, end in pairwise(ends) for message in framing.feed(stream[begin:end])]
    assert got == MESSAGES
    assert not framing.inside


def test_stream_octet_by_octet_is_the_same_stream() -> None:
    framing = Framing()
    octets = b"".join(MESSAGES)
    got = [message for n in range(len(octets)) for message in framing.feed(octets[n : n + 1])]
    assert got == MESSAGES


@pytest.mark.parametrize("rest", [b"X", b"HEQ", b"HEP3\x00\x05", b"\r\n"])
def test_framing_error_comes_after_the_messages_before_it(rest: bytes) -> None:
    framing = Framing()
    got = []
    with pytest.raises(Unreadable):
        for message in framing.feed(MESSAGES[0] + rest):
            got.append(message)  # those before the error are what is asked for
    assert got == MESSAGES[:1]


def test_incomplete_message_is_inside() -> None:
    framing = Framing()
    assert not framing.inside
    assert list(framing.feed(b"HE")) == []
    assert framing.inside


def record(octets: bytes, at_s: int = AT) -> bytes:
    return struct.pack(">IQ", len(octets), at_s * 10**9) + octets


def test_capture_file_gives_receive_times_and_datagrams() -> None:
    file = io.BytesIO(record(b"a", 1) + record(b"", 2) + record(b"c" * 65_535, 3))
    assert list(read_capture(file)) == [(1, b"a"), (2, b""), (3, b"c" * 65_535)]


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        (b"\x00", "ends inside a record: at_byte=13"),
        (record(b"abc")[:-1], "ends inside a record: at_byte=13"),
        (struct.pack(">IQ", 65_536, 0), "at_byte=13, length=65536, limit=65535"),
    ],
)
def test_broken_capture_file_gives_what_comes_before(rest: bytes, says: str) -> None:
    got = []
    with pytest.raises(CaptureError, match=says):
        for item in read_capture(io.BytesIO(record(b"a") + rest)):
            got.append(item)  # those before the error are what is asked for
    assert got == [(AT, b"a")]


def test_payload_is_in_no_representation() -> None:
    assert "441632960321" not in repr(read_datagram(hep(sip())))


@given(st.binary())
def test_any_octets_have_one_outcome(octets: bytes) -> None:
    for message in (octets, b"HEP3" + octets, framed(octets), hep(octets), hlog("") + octets):
        assert read(message)
    assert read(hep(octets, protocol=LOG, more=chunk(CALL_ID, b"c")))


@given(st.data())
def test_mutated_datagram_has_one_outcome(data: st.DataObject) -> None:
    line = hlog(f'{{"ev":"INVITE","called":"{CALLED}","caller":"{CALLER}"}}')
    message = bytearray(data.draw(st.sampled_from([hep(sip()), hep(sip("MESSAGE")), line])))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(message)))
        message[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    assert read(bytes(message))
    framing = Framing()
    try:
        for whole in framing.feed(bytes(message)):
            assert read(whole)
    except Unreadable:
        assert bytes(message)[:4] != b"HEP3" or len(message) > 6
