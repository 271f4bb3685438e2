"""Records in BER are read as asn1tools writes them, in all forms, and no octets stop the reader."""

import io
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ber_forms import definite, indefinite, rewritten, split
from support.charging_records import (
    Wanted,
    compiled,
    message_address,
    records,
    swapped,
    timestamp,
    with_presentation,
)
from support.places import ROOT

from ringfence import EventKind, caller_of_text
from ringfence.adapters.cdr.formats import FORMATS, Forms
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.adapters.cdr.ts32298.meaning import record_reader
from ringfence.adapters.cdr.ts32298.stream import RECORD_MAX, RecordFinder
from ringfence.adapters.cdr.ts32298.tags import usual_tags
from ringfence.adapters.event_table import Passed
from ringfence.wording.dialled import DialPlan
from ringfence.wording.tables import TableError

SAMPLE = (ROOT / "tests/data/switch/cdr/ts32298_cs_sample.ber").read_bytes()
BRITISH = DialPlan.of_country(44)
NUMBER, CALLER = 447700900123, 441632960321
AT = 1_795_159_799


class Turned:
    """Takes what was turned away: where, its octets and reasons."""

    def __init__(self) -> None:
        self.rows: list[tuple[int | str, bytes, str]] = []

    def add(self, table: Any, line: int | str, cells: Any, reason: str) -> None:
        assert table is None
        self.rows.append((line, bytes.fromhex(cells[0]), reason))

    @property
    def reasons(self) -> list[str]:
        return [reason for _, _, reason in self.rows]


def read(octets: bytes, tags: str = "") -> tuple[list[Any], Turned]:
    """All outcomes, and what was turned away."""
    turned = Turned()
    forms = Forms(tags=usual_tags().with_file(tags))
    reader = CdrReader(FORMATS["ts32298"](forms), BRITISH, latest=2**32 - 1)
    return [outcome for _, outcome in reader(io.BytesIO(octets), turned, 0)], turned


def events(octets: bytes, tags: str = "") -> list[tuple[int, int, int, int]]:
    """The outcomes where all are events."""
    outcomes, turned = read(octets, tags)
    assert turned.rows == []
    return outcomes


def gateway(called: int = NUMBER, at: int = AT, **more: Any) -> bytes:
    """An incGatewayRecord."""
    value = {
        **{"recordType": 3, "calledNumber": b"\x91" + swapped(str(called))},
        **{"callingNumber": b"\x91" + swapped(str(CALLER)), "time": timestamp(at, 60)},
        **{"recordingEntity": b"\x91\x44", "callDuration": 0, "causeForTerm": 3},
        **{"callReference": at.to_bytes(4, "big")},
    }
    return bytes(compiled().encode("Record", ("incGateway", value | more)))


several = st.lists(st.integers(447700900000, 447700900999), unique=True, max_size=5).flatmap(
    lambda numbers: st.tuples(*map(records, numbers))
)


@pytest.mark.slow
@given(wanted=several, seed=st.integers(0, 2**32))
def test_records_are_read_as_asn1tools_writes_them_in_any_form(
    wanted: tuple[Wanted, ...], seed: int
) -> None:
    plain = b"".join(each.octets for each in wanted)
    assert events(plain) == [each.event for each in wanted]
    random = Random(seed)
    others = b"".join(rewritten(each.octets, random) for each in wanted)
    assert events(others) == [each.event for each in wanted]


@pytest.mark.slow
@given(wanted=several, seed=st.integers(0, 2**32))
def test_what_stands_around_records_is_skipped(wanted: tuple[Wanted, ...], seed: int) -> None:
    random = Random(seed)
    expected = [each.event for each in wanted]
    whole = [rewritten(each.octets, random) for each in wanted]
    padded = b"".join(
        each + random.choice((b"\0", b"\xff")) * random.randrange(6) for each in whole
    )
    assert events(random.choice((b"", b"\0\0", b"\xff" * 9)) + padded) == expected
    for wrap in (definite, indefinite) if wanted else ():
        inside = wrap(b"\xa1", b"".join(whole))
        header = definite(b"\xa0", definite(b"\x80", timestamp(AT, 0)))
        trailer = definite(b"\xa2", definite(b"\x80", timestamp(AT, 0)) + b"\x84\x01\x05")
        outcomes, turned = read(wrap(b"\x30", header + inside + trailer))
        assert turned.rows == []
        assert [each for each in outcomes if not isinstance(each, Passed)] == expected
    assert events(b"".join(definite(b"\x30", each) for each in whole)) == expected
    explicit = (indefinite(split(each.octets)[0], b"\x31" + each.octets[1:]) for each in wanted)
    if all(each.octets[0] & 0x1F != 0x1F for each in wanted):
        assert events(b"".join(explicit)) == expected
    framed = with_headers(whole, random)
    assert events(framed) == expected
    assert events(framed[int.from_bytes(framed[4:8], "big") :]) == expected


def with_headers(records_: list[bytes], random: Random, *, count: int = -1, lost: int = 0) -> bytes:
    """A file as TS 32.297 frames it: of the record headers every other one has an extension."""
    body = b""
    for place, each in enumerate(records_):
        head = b"\x68\x26" if place % 2 else b"\xe8\x26\x05"
        body += len(each).to_bytes(2, "big") + head + each
        body += b"\0" * random.choice((0, 0, 0, 1, 7))
    count = len(records_) if count < 0 else count
    filters = b"\0\x03abc\0\0"
    rest = b"\x68\x68" + b"\x12\x34\x56\x78" * 2 + count.to_bytes(4, "big") + b"\0\0\0\x07"
    rest += b"\x02" + b"\xff" * 20 + bytes((lost,)) + filters
    size = 8 + len(rest)
    return (size + len(body)).to_bytes(4, "big") + size.to_bytes(4, "big") + rest + body


@pytest.mark.parametrize("padding", [b"", b"\0" * 5, b"\xff" * 40])
def test_headers_of_vendors_are_skipped_by_their_size(padding: bytes) -> None:
    whole = [gateway(NUMBER + each) for each in range(5)]
    for header in (b"\0\x49", b"\x01" * 16, b"\0\0\0\xa3\x80"):
        octets = b"\x42" * 33 + b"".join(header + each + padding for each in whole)
        tags = f"file_header = 33\nrecord_header = {len(header)}\n"
        assert [each[0] for each in events(octets, tags)] == [NUMBER + each for each in range(5)]


def test_what_a_file_says_of_lost_records_keeps_the_claim_back() -> None:
    whole = [gateway(NUMBER + each) for each in range(3)]
    for framed, reason in (
        (with_headers(whole, Random(1), count=4), "records_missing"),
        (with_headers(whole, Random(1), lost=129), "records_lost"),
    ):
        outcomes, turned = read(framed)
        assert turned.reasons == [reason]
        assert [each[0] for each in outcomes if each] == [NUMBER, NUMBER + 1, NUMBER + 2]
    assert events(with_headers([], Random(1))) == []


def test_numbers_of_other_plans_and_services_are_no_numbers() -> None:
    for called in (b"\x89" + swapped(f"{NUMBER}"), b"\x81" + swapped("a21b"), b"\x81\x11\xf2"):
        outcomes, turned = read(gateway(calledNumber=called))
        assert ([each.reason for each in outcomes], turned.rows) == (["called_not_a_number"], [])


def test_a_caller_of_another_plan_is_somebody_and_a_restricted_one_is_nobody() -> None:
    other = b"\x89\x21\x43"
    assert events(gateway(callingNumber=other))[0][1] == caller_of_text(f"bcd-{other.hex()}")
    number = b"\x91" + swapped(str(CALLER))
    for indicator, caller in ((0, CALLER), (1, 0), (2, 0), (3, 0)):
        shown = with_presentation(number, indicator)
        assert events(gateway(callingNumber=shown))[0][1] == caller
        # It says of a caller what may be shown, and of a called number nothing.
        assert events(gateway(calledNumber=with_presentation(b"\x91" + swapped(f"{NUMBER}"), 1)))


def test_a_name_may_stand_in_the_address_of_a_message() -> None:
    septets = sum(ord(letter) << 7 * place for place, letter in enumerate("BANKNAME"))
    written = message_address(b"\xd0" + septets.to_bytes(7, "little"), 14)
    tags = '[[record]]\ntag = 6\nkind = "message"\ncalled = ["12 message"]\ntime = ["9"]\n'
    value = {
        **{"recordType": 6, "servedIMSI": b"\xff", "serviceCentre": written},
        **{"recordingEntity": b"\x91\x44", "messageReference": b"\x01"},
        **{"time": timestamp(AT, 0), "calledNumber": message_address(b"\x81" + b"\x70\x07", 4)},
    }
    value["calledNumber"] = message_address(b"\x91" + swapped(str(NUMBER)), 12)
    octets = compiled().encode("Record", ("moSMS", value))
    wanted = (NUMBER, caller_of_text("BANKNAME"), AT, int(EventKind.A2P_SMS))
    assert events(bytes(octets), tags + 'caller = ["5 message"]\n') == [wanted]


def test_times_that_no_clock_shows_are_not_read() -> None:
    good = timestamp(AT, 0)
    for bad in (good[:8], good[:1] + b"\x13" + good[2:], good[:6] + b"x" + good[7:], b"\xff" * 9):
        outcomes, turned = read(gateway(time=bad) + gateway(NUMBER + 1))
        assert [each and each[0] for each in outcomes] == [None, NUMBER + 1]
        assert turned.reasons == ["time_unreadable"]


def test_parts_of_a_record_and_other_legs_are_the_same_call() -> None:
    part = rewritten_field(gateway(), 14, b"\x02")
    assert [type(each) for each in events(gateway() + part)] == [tuple, Passed]
    interrogation = compiled().encode(
        "Record",
        (
            "hlrInt",
            {
                **{"recordType": 11, "servedIMSI": b"\xff", "recordingEntity": b"\x91\x44"},
                **{"calledNumber": b"\x91" + swapped(str(NUMBER)), "time": timestamp(AT + 1, 0)},
                "routingNumber": ("roaming", b"\x91"),
            },
        ),
    )
    outcomes = events(gateway() + bytes(interrogation) + gateway(at=AT + 100))
    assert [type(each) for each in outcomes] == [tuple, Passed, tuple]


def rewritten_field(octets: bytes, tag: int, value: bytes) -> bytes:
    """A record with one more field."""
    outer, content, _ = split(octets)
    return definite(outer, content + definite(bytes((0x80 | tag,)), value))


def test_what_a_record_lacks_is_said() -> None:
    for value, reason in (
        ({"calledNumber": b""}, "record_without_called"),
        ({"time": b""}, "record_without_time"),
    ):
        assert read(gateway(**value))[1].reasons == [reason]
    assert read(definite(b"\xbf\x22", split(gateway())[1]))[1].reasons == ["record_unknown"]
    action = definite(b"\xaa", b"\x80\x01\x0a" + definite(b"\x81", b"\xff" * 8))
    assert [each.reason for each in events(action)] == ["other_record"]


def test_an_operators_file_moves_tags_and_names_others() -> None:
    outer, content, _ = split(gateway())
    moved = definite(b"\xbf\x32", content)
    table = '[[record]]\ntag = 50\nkind = "call"\ncalled = ["2"]\ncaller = ["1"]\ntime = ["6"]\n'
    assert events(moved, table) == events(gateway())
    assert [each.reason for each in events(moved, "other = [50]")] == ["other_record"]
    assert [each.reason for each in events(gateway(), "other = [3]")] == ["other_record"]
    page = (ROOT / "src/ringfence/adapters/cdr/README.md").read_text("utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    assert example.startswith("other = [30]")
    later = definite(b"\xbf\x28", definite(b"\x80", timestamp(AT + 7, 0)))
    assert events(definite(outer, content + later), example)[0][2] == AT + 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("other = 3.5", "bound=tags from 0"),
        ("[[record]]\ntag = 3", "record 1: no kind"),
        ("others = []", "bound=other, record"),
        ("record_header = -1", "bound=0 to 1024 octets"),
        ("record = 1", "no list of tables"),
        ("[record", "not TOML"),
        ("a=" + "[" * 100_000, "nested too deep"),
    ],
)
def test_what_no_map_of_tags_is_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        usual_tags().with_file(text)


@pytest.mark.slow
@given(data=st.data())
def test_a_torn_record_costs_itself_alone(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 5))
    whole = [gateway(NUMBER + each, AT + each) for each in range(count)]
    hit = data.draw(st.integers(0, count - 1))
    torn = whole[hit]
    begin = data.draw(st.integers(0, len(torn) - 1))
    end = data.draw(st.integers(begin + 1, len(torn)))
    if (begin, end) == (0, len(torn)):
        return
    outcomes, turned = read(b"".join((*whole[:hit], torn[:begin] + torn[end:], *whole[hit + 1 :])))
    numbers = [each[0] for each in outcomes if isinstance(each, tuple)]
    others = [NUMBER + each for each in range(count) if each != hit]
    assert [number for number in numbers if number in others] == others
    assert turned.rows or len(numbers) == count
    assert len(turned.rows) <= 2


def test_a_length_that_is_too_long_swallows_no_other_record() -> None:
    first, second, third = (gateway(NUMBER + each, AT + each) for each in range(3))
    for length in (len(first) + 1, len(first) + len(second) - 2, 0x7F):
        swollen = first[:1] + bytes((length,)) + first[2:]
        outcomes, turned = read(swollen + second + third)
        assert [each and each[0] for each in outcomes] == [None, NUMBER + 1, NUMBER + 2]
        assert turned.rows == [("octet 0", swollen, "record_torn")]


LONG = b"\xa3\x82\xff\x00\x80\x01\x03"
HOSTILE = {
    "2^31": b"\xa3\x84\x80\x00\x00\x00\x80\x01\x03",
    "2^63": b"\xa3\x88\xff" + b"\xff" * 7,
    "127 octets of length": b"\xa3\xff" + b"\x01" * 127,
    "zero": b"\xa3\x00" * 50_000,
    "nested 100,000 deep, indefinite": b"\xa3\x80" * 100_000,
    "nested 100,000 deep, wrapped": b"\x30\x80" * 100_000,
    "nested 100,000 deep, marked as records": b"\xa3\x80\x80\x01\x03" * 100_000,
    "a tag without end": b"\xbf" + b"\xff" * 100_000,
    "no record at all": b"\x01" * 1_000_000,
    "beginnings in values": LONG + b"\x84\x09\xa3\x80\x80\x01\x03" * 20_000,
    "indefinite, of many elements": (b"\xa3\x80\x80\x01\x03" + b"\x04\x00" * 40_000) * 4,
    "small elements, and no end": b"\xa3\x82\xff\xff\x80\x01\x03" + b"\x04\x00" * 200_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lengths_cost_themselves_alone(name: str) -> None:
    outcomes, turned = read(gateway() + HOSTILE[name] + gateway(NUMBER + 1))
    numbers = [each[0] for each in outcomes if isinstance(each, tuple)]
    assert numbers == [NUMBER, NUMBER + 1]
    # What holds a record is taken for its wrapper.
    wrappers = ("2^63", "nested 100,000 deep, wrapped", "nested 100,000 deep, indefinite")
    assert turned.rows or name in (*wrappers, "a tag without end")
    assert all(len(octets) <= RECORD_MAX for _, octets, _ in turned.rows)


@pytest.mark.slow
def test_looking_for_records_in_vain_is_bounded_by_the_length_of_the_file() -> None:
    hostile = LONG + b"\x04\x09\xa3\x80\x80\x01\x03\x04\x00\x04\x00" * 9_000
    turned = Turned()
    finder = RecordFinder(io.BytesIO(hostile * 8), record_reader(usual_tags()))
    for _, _, what in finder:
        turned.rows.append((0, b"", str(what)))
    # Without the bound each of the beginnings is walked to the end: 72,000 times 32 KiB.
    assert finder.in_vain <= 2 * (1 << 20) + 8 * len(hostile * 8)
    assert len(turned.rows) < 9_000


@pytest.mark.slow
@given(noise=st.binary(max_size=300), cut=st.integers(0, 3_000), at=st.integers(0, 3_000))
def test_no_octets_stop_the_reader(noise: bytes, cut: int, at: int) -> None:
    whole = SAMPLE[:3_000]
    for octets in (noise, b"\x30\x80" + noise, whole[:cut], whole[:at] + noise + whole[at:]):
        try:
            outcomes, turned = read(octets)
        except TableError:  # what looks packed and is not
            continue
        assert outcomes.count(None) == len(turned.rows)


@pytest.mark.slow
@given(flips=st.lists(st.tuples(st.integers(0, 2_999), st.integers(1, 255)), max_size=4))
def test_flipped_bits_cost_few_records(flips: list[tuple[int, int]]) -> None:
    octets = bytearray(SAMPLE[:3_000])
    for place, bits in flips:
        octets[place] ^= bits
    outcomes, turned = read(bytes(octets))
    unhurt = len(read(SAMPLE[:3_000])[0])
    assert len(outcomes) >= unhurt - 2 * len(flips)
    assert outcomes.count(None) == len(turned.rows)


@pytest.mark.slow
def test_records_at_the_seams_of_pieces_are_read() -> None:
    one = gateway()
    count = (1 << 18) // len(one) * 3
    octets = b"".join(gateway(NUMBER + each % 800, AT + each * 400) for each in range(50))
    octets = octets * (count // 50)
    assert len(read(octets)[0]) == count // 50 * 50
    for padding in (1, 7, 1 << 18, (1 << 18) + 3):
        outcomes, turned = read(one + b"\0" * padding + gateway(NUMBER + 1))
        assert ([each[0] for each in outcomes], turned.rows) == ([NUMBER, NUMBER + 1], [])


def test_refused_records_given_back_in_hexadecimal_are_read_again() -> None:
    bad = gateway(time=b"\xff" * 9)
    text = f"# octet 0: time_unreadable\n{bad.hex()}\n\n{gateway().hex().upper()}\nnot hex\n"
    turned = []

    class Takes:
        def add(self, table: Any, line: int | str, cells: Any, reason: str) -> None:
            turned.append((line, cells[0], reason))

    reader = CdrReader(FORMATS["ts32298"](Forms()), BRITISH, latest=2**32 - 1)
    outcomes = [each for _, each in reader(io.BytesIO(text.encode()), Takes(), 0)]
    assert [each and each[0] for each in outcomes] == [None, NUMBER, None]
    assert turned == [
        (2, bad.hex(), "time_unreadable"),
        (5, "not hex", "record_not_hexadecimal"),
    ]
