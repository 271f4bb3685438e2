"""What a SIP request says of called and caller, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.switch_traffic import AT, CALLER, hep, sip

from ringfence import EventKind, caller_of_text
from ringfence.adapters.base import Attempt, Unreadable
from ringfence.adapters.hep_reader import HepReader
from ringfence.adapters.sip import read_request
from ringfence.adapters.sip_address import read_address, read_uri
from ringfence.wording.dialled import DialPlan


def attempt(message: bytes) -> Attempt | str:
    """What the adapter makes of one message: the attempt, or the reason why there is none."""
    reader = HepReader(DialPlan.of_country(44))
    made = reader.read(hep(message), AT)
    return made[0] if made else next(iter(reader.tally))


def caller(sender: str, **more: str) -> int | str:
    made = attempt(sip(sender=sender, **more))  # type: ignore[arg-type]
    return made.caller if isinstance(made, Attempt) else made


def called(uri: str) -> int | str:
    made = attempt(sip(uri=uri))
    return made.called if isinstance(made, Attempt) else made


def kind(message: bytes) -> EventKind | str:
    made = attempt(message)
    return made.kind if isinstance(made, Attempt) else made


@pytest.mark.parametrize(
    "uri",
    [
        "sip:+447700900123@x",
        "SIP:+447700900123@x",
        "sips:+447700900123@x:5061;transport=tls",
        "sip:07700900123@[2001:db8::1]:5060;user=phone",
        "sip:00447700900123@x?Subject=hi",
        "sip:%2B447700900123@x",
        "sip:+44-7700-900.123@x",
        "sip:(07700)900123@x",
        "sip:07700%20900%20123@x",
        "sip:+447700900123:password@x",
        "sip:+447700900123;npdi;rn=+441632960000@x;user=phone",
        "sip:+447700900123;rn=+441632960000;npdi@x",
        "sip:+447700900123;cic=+1-6789@x",
        "sip:7700900123;phone-context=+44@x;user=phone",
        "tel:+44-7700-900-123",
        "TEL:+447700900123;npdi;rn=+441632960000",
        "tel:07700900123;phone-context=+44",
        "tel:7700900123;phone-context=+44",
        "tel:900123;phone-context=+447700",
        "tel:07700900123;phone-context=switch.example",
    ],
)
def test_called_number_is_the_user_of_the_request_uri(uri: str) -> None:
    assert called(uri) == 447700900123


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("sip:alice@x", "called_not_a_number"),
        ("sip:switch.example", "called_not_a_number"),
        ("sip:112@x", "called_not_a_number"),
        ("tel:112;phone-context=+44", "called_not_a_number"),
        ("tel:900-0123;phone-context=+44-7700-900", "called_not_a_number"),
        ("tel:", "called_not_a_number"),
        ("urn:service:sos", "uri_unreadable"),
        ("+447700900123", "uri_unreadable"),
        ("<sip:+447700900123@x>", "uri_unreadable"),
        ("sip:+447700900123@a@x", "uri_unreadable"),
        ("sip:+44 7700 900123@x", "sip_unreadable"),
    ],
)
def test_request_uri_without_a_number_is_counted(uri: str, reason: str) -> None:
    assert called(uri) == reason


@pytest.mark.parametrize(
    "sender",
    [
        f"<sip:{CALLER}@x>;tag=1",
        f"sip:{CALLER}@x;tag=1",
        f"sip:{CALLER}@x",
        f'"Parcel Desk" <sip:{CALLER}@x>;tag=1',
        f"Parcel Desk <sip:{CALLER}@x>;tag=1",
        f"<sips:{CALLER}@x:5061;transport=tls>;tag=1",
        "<sip:01632960321@x;user=phone> ; tag = 1",
        "<sip:00441632960321@x>;tag=1",
        "<sip:%2b44-1632-960321@x>",
        "<tel:+44-1632-960321>;tag=1",
        "<tel:1632960321;phone-context=+44>",
        "<sip:+441632960321;isub=1@x>",
        "<sip:441632960321@x>",
        '"sip:+441632960000@evil \\"x\\" <sip:1@2>" <sip:+441632960321@x>;tag=1',
        '"\\\\" <sip:+441632960321@x>',
        '"<sip:+441632960000@evil>;tag=9" <sip:+441632960321@x>;tag=1',
        "sip:+441632960000@evil <sip:+441632960321@x>",
        '"a" "<sip:+441632960000@evil>" <sip:+441632960321@x>',
        '""<sip:+441632960321@x>',
        '<sip:+441632960321@x>;foo="<sip:+441632960000@evil>;tag=5";tag=1',
    ],
)
def test_caller_is_the_user_of_from(sender: str) -> None:
    assert caller(sender) == 441632960321


@pytest.mark.parametrize(
    "message",
    [
        *(
            sip(sender=sender)
            for sender in (
                "<sip:+441632960321@x>, <sip:+441632960322@x>",
                "sip:+441632960321@x,sip:+441632960322@x",
                '"open <sip:+441632960321@x>',
                "<sip:+441632960321@x",
                "<<sip:+441632960321@x>>",
                "<sip:+441632960321@a@x>",
                "<mailto:a@x>;tag=1",
                "<im:a@x>",
                "<urn:service:sos>;tag=1",
                "nonsense",
                "<>;tag=1",
                "*",
                "",
            )
        ),
        sip().replace(b"From", b"X"),
        sip(more="From: <sip:1@x>\r\n"),
        sip(more="f: <sip:1@x>\r\nFrom: <sip:2@x>\r\n"),
    ],
)
def test_caller_that_cannot_be_read_is_withheld_and_noted(message: bytes) -> None:
    reader = HepReader(DialPlan.of_country(44))
    (made,) = reader.read(hep(message), AT)
    assert (made.called, made.caller, made.kind) == (447700900123, 0, EventKind.CALL)
    assert reader.read(hep(message), AT) == []
    assert reader.tally == {"event": 1, "repeat": 1, "note_caller_unreadable": 1}


def test_withheld_caller_is_not_noted_as_unreadable() -> None:
    reader = HepReader(DialPlan.of_country(44))
    assert reader.read(hep(sip(sender="nonsense", more="Privacy: id\r\n")), AT)
    assert reader.read(hep(sip(sender="<sip:anonymous@x>", call_id="2")), AT)
    assert reader.tally == {"event": 2}


@pytest.mark.parametrize(
    "sender",
    [
        '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1',
        "<sip:Anonymous@x>",
        "<sip:unavailable@unknown.invalid>",
        "<sip:restricted@x>",
        "<sip:@x>",
        "<sip:x>",
        '"Anonymous" <sip:localhost>',
        "<tel:>",
        f"<sip:{CALLER}@anonymous.invalid>",
        f"<sip:{CALLER}@ANONYMOUS.invalid:5060;user=phone>",
        "<sip:%61nonymous@x>",
        "<sip:0000000@x>",
        "<sip:null@x>",
        "<sip:None@x>",
        "<sip:nil@x>",
    ],
)
def test_withheld_caller_is_zero(sender: str) -> None:
    asserted = f"P-Asserted-Identity: <sip:{CALLER}@carrier.example>\r\n"
    remote = f"Remote-Party-ID: <sip:{CALLER}@carrier.example>;party=calling\r\n"
    assert caller(sender) == 0
    assert caller(sender, more=asserted + remote) == 0


@pytest.mark.parametrize(
    ("header", "hidden"),
    [
        ("Privacy: id", True),
        ("privacy : ID;critical", True),
        ("Privacy: header; session\r\nX: y", True),
        ("Privacy: session,user", True),
        ("Privacy: none\r\nPrivacy: id", True),
        ("Privacy:\r\n id", True),
        ("Privacy: none", False),
        ("Privacy: session;critical", False),
        ("Privacy: history", False),
        ("X-Privacy: id", False),
    ],
)
def test_privacy_decides_whether_a_caller_is_withheld(header: str, hidden: bool) -> None:
    sender = f"<sip:{CALLER}@x>;tag=1"
    assert caller(sender, more=header + "\r\n") == (0 if hidden else 441632960321)


def test_number_that_no_plan_reads_is_still_a_caller() -> None:
    assert caller("<sip:201@pbx>") == 201
    assert caller("<sip:12125550100@x>") == 12125550100
    assert caller("<sip:999999999999999@x>") == 999999999999999
    assert caller("<sip:9999999999999999@x>") == caller_of_text("9999999999999999")
    assert caller(f"<sip:{'9' * 9_000}@x>") == caller_of_text("9" * 9_000)


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ("BANKNAME", "bankname"),
        ("4U2WIN", "4U2WIN"),
        ("Taxi%20Co", "Taxi Co"),
        ("1-800-FLOWERS", "1-800-flowers"),
        ("caf%C3%A9", "café"),
        ("caf%E9", "café"),
        ("BANKNAME;verstat=none", "BANKNAME"),
        ("*123#", "*123#"),
    ],
)
def test_name_is_a_caller_by_its_text(user: str, text: str) -> None:
    assert caller(f"<sip:{user}@x>") == caller_of_text(text)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (CALLER, EventKind.SMS),
        ("anonymous", EventKind.SMS),
        ("0000", EventKind.SMS),
        ("9999999999999999", EventKind.SMS),
        ("BANKNAME", EventKind.A2P_SMS),
        ("61234", EventKind.A2P_SMS),
        ("+61234", EventKind.A2P_SMS),
    ],
)
def test_message_of_a_name_or_a_short_code_is_from_an_application(
    user: str, expected: EventKind
) -> None:
    assert kind(sip("MESSAGE", sender=f"<sip:{user}@x>", body="text")) == expected


def test_invite_is_a_call_whoever_calls() -> None:
    assert kind(sip(sender="<sip:BANKNAME@x>")) == EventKind.CALL
    assert kind(sip(sender="<sip:61234@x>")) == EventKind.CALL


def test_compact_folded_and_oddly_spaced_headers_are_read() -> None:
    message = (
        b"\r\n\r\nINVITE sip:+447700900123@x sip/2.0\r\n"
        b"v: SIP/2.0/UDP h\r\n"
        b'F \t:\r\n  "Some\r\n\tbody"\r\n <sip:+441632960321@x>\r\n ;TAG=t\r\n'
        b"T:<sip:+447700900123@x>\r\n"
        b"I:c@x\r\n"
        b"cSEQ:1 INVITE\r\n"
        b"l:0\r\n\r\n"
    )
    made = attempt(message)
    assert isinstance(made, Attempt)
    assert (made.called, made.caller) == (447700900123, 441632960321)
    assert read_request(message).call_id == b"c@x"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_either_line_end_is_read(end: str) -> None:
    assert isinstance(attempt(sip(end=end, body="x")), Attempt)


def test_lines_of_the_body_are_no_headers() -> None:
    body = "From: <sip:+441632960999@evil>\r\nPrivacy: id\r\n\r\nTo: <sip:x>;tag=1\r\n"
    made = attempt(sip(body=body))
    assert isinstance(made, Attempt)
    assert made.caller == 441632960321


def test_bare_carriage_return_starts_no_header() -> None:
    made = attempt(sip(more="Subject: hi\rFrom: <sip:+441632960999@evil>\r\n"))
    assert isinstance(made, Attempt)
    assert made.caller == 441632960321


def test_octets_that_are_not_utf_8_do_no_harm() -> None:
    made = attempt(sip(more="Subject: ?\r\n").replace(b"?", b"\xff\xfe\x00"))
    assert isinstance(made, Attempt)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "keepalive"),
        (b"\r\n\r\n", "keepalive"),
        (b"SIP/2.0 200 OK\r\n\r\n", "reply"),
        (sip("BYE"), "other_method"),
        (sip("A" * 40), "other_method"),
        (sip("X-very.long_method!" * 500), "other_method"),
        (b"A" * 60_000, "sip_unreadable"),
        (b"A" * 40 + b"\x00 sip:x SIP/2.0", "sip_unreadable"),
        (b"\x00\x00\x00\x00", "sip_unreadable"),
        (b"INVITE", "sip_unreadable"),
        (b"INVITE sip:+447700900123@x\r\n\r\n", "sip_unreadable"),
        (sip().replace(b" SIP/2.0", b" SIP/3.0"), "sip_unreadable"),
        (sip()[:-2], "sip_truncated"),
        (sip().replace(b"Call-ID", b"X"), "header_missing"),
        (sip().replace(b"To", b"X"), "header_missing"),
        (sip(more="t: <sip:1@x>\r\n"), "header_twice"),
        (sip(more="Call-ID: other\r\n"), "header_twice"),
        (sip(to='"x <sip:+447700900123@x>'), "address_unreadable"),
        (sip(to="<sip:+447700900123@x>;tag=1"), "in_dialog"),
        (sip(to="sip:+447700900123@x;Tag=1"), "in_dialog"),
    ],
)
def test_what_is_not_read_has_one_reason(message: bytes, reason: str) -> None:
    assert attempt(message) == reason


def test_tag_inside_the_uri_or_a_display_name_is_not_the_headers_tag() -> None:
    assert isinstance(attempt(sip(to='";tag=1" <sip:+447700900123@x;tag=1>')), Attempt)


def test_caller_is_in_no_representation() -> None:
    secret = "441632960321"
    made = attempt(sip())
    for shown in (made, read_request(sip()), read_address(f"<sip:{secret}@x>".encode())):
        assert secret not in repr(shown)
    assert secret not in repr(read_uri(f"sip:{secret}@x".encode()))


PIECES = st.sampled_from(
    [*sip().splitlines(keepends=True), *(bytes((octet,)) for octet in b'"<>;:@,\\ %\r\n\x00\xff')]
)


@given(st.one_of(st.binary(), st.lists(PIECES, max_size=60).map(b"".join)))
def test_any_octets_are_read_or_turned_down(octets: bytes) -> None:
    for message in (octets, b"INVITE sip:+447700900123@x SIP/2.0\r\n" + octets + b"\r\n\r\n"):
        try:
            read_request(message)
        except Unreadable as unreadable:
            assert unreadable.reason


@given(st.data())
def test_mutated_request_is_read_or_turned_down(data: st.DataObject) -> None:
    message = bytearray(sip("MESSAGE", more='Authorization: Digest nonce="n"\r\n', body="text"))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(message)))
        message[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    assert attempt(bytes(message))


@pytest.mark.parametrize("method", ["invite", "Invite", "iNVITE", "message"])
@pytest.mark.parametrize("before", ["", "\r\n", " ", "\t", "\0", "\0\0\0\0\r\n "])
def test_request_that_lenient_switches_put_through_is_read(method: str, before: str) -> None:
    # Kamailio 5.6 skips just these octets, and calls a method by its name in small letters.
    wanted = EventKind.SMS if method == "message" else EventKind.CALL
    assert kind(before.encode() + sip(method)) == wanted


@pytest.mark.parametrize(
    "value",
    [
        b'"' * 60_000,
        b'"\\' * 30_000,
        b'"a"' * 20_000,
        b"<" * 60_000,
        b";tag" * 15_000,
        b" " * 60_000,
    ],
)
def test_hostile_address_takes_linear_time(value: bytes) -> None:
    # Quadratic reading of 60,000 octets would take minutes and end in the test's time limit.
    for octets in (value, b"<sip:x>" + value, b'"x' + value, value + b"<sip:x>"):
        try:
            read_address(octets).parameter(b"tag")
        except Unreadable as unreadable:
            assert unreadable.reason == "address_unreadable"
