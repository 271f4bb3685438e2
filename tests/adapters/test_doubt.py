"""A call that was reported and not read is lost time, and what strangers send is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.switch_traffic import AT, CALLED, chunk, former, framed, hep, sip

from ringfence.adapters.hep_reader import LATE_S, HepReader
from ringfence.wording.dialled import DialPlan

NUMBER = int(CALLED.removeprefix("+"))
TCP = chunk(2, b"\x06")
UNKNOWN_FAMILY = former(sip(), family=99)
LOST = [(AT - LATE_S, AT + 1)]


def heard(*datagrams: bytes, auth_key: str = "") -> tuple[int, list[tuple[int, int]]]:
    """Events at the number, and lost time."""
    reader = HepReader(DialPlan.of_country(44), auth_key=auth_key)
    events = sum(len(reader.read(datagram, AT)) for datagram in datagrams)
    events += len(reader.finish())
    lost = reader.lost()
    assert reader.lost() == [], "it is told once"
    return events, lost


def test_a_call_that_is_read_loses_nothing() -> None:
    assert heard(hep(sip())) == (1, [])


@pytest.mark.parametrize(
    "datagram",
    [
        hep(sip()[:90]),
        hep(sip("MESSAGE").replace(b"Call-ID", b"Colour")),
        hep(b"the end of something", more=TCP),
        hep(b"m=audio 4000 RTP/AVP 0\r\n", more=TCP),
        hep(sip()[1:], more=TCP),
        hep(b'{"ev": "INVITE", "called": ', protocol=100),
        hep(sip())[:-5],
        hep(sip(), protocol=50),
        hep(b"....\r\n" + sip()),
        hep(b"\0\0 " + sip("message")[:90]),
        hep(sip("OPTIONS") + sip()),
        hep(b"SIP/2.0 404 Not Found\r\nl: 0\r\n\r\n" + sip("MESSAGE", end="\n")),
        former(sip()[1:]),
        former(sip()[1:], version=1),
        UNKNOWN_FAMILY,
        former(sip())[:25],
    ],
    ids=[
        "cut",
        "no Call-ID",
        "tail on TCP",
        "tail of SDP",
        "INVITE without its I",
        "log line",
        "cut HEP",
        "another type",
        "behind something",
        "small letters behind octets that are skipped, cut",
        "behind another request",
        "behind a reply",
        "HEP 2 that begins in the middle",
        "HEP 1 that begins in the middle",
        "HEP 2 of an unknown family",
        "HEP 2 that ends in its time",
    ],
)
def test_a_call_that_is_not_read_is_lost_time(datagram: bytes) -> None:
    assert heard(datagram) == (0, LOST)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x02\x10",
        former(sip("OPTIONS")),
        former(b"SIP/2.0 404 Not Found\r\n\r\n", version=1),
        hep(b"SIP/2.0 404 Not Found\r\n\r\n"),
        hep(sip("OPTIONS")),
        hep(sip("OPTIONS"), more=TCP),
        hep(sip(uri="sip:reception@switch.example")),
        hep(b"\x80\xc8", protocol=5),
        hep(b"REGISTER cut"),
    ],
    ids=str,
)
def test_what_is_no_call_denies_no_coverage(datagram: bytes) -> None:
    assert heard(datagram) == (0, [])


def test_calls_that_share_a_packet_are_lost_time_but_for_the_first() -> None:
    assert heard(hep(sip() + sip(call_id="c2"))) == (1, LOST)


def test_what_somebody_wrote_is_no_other_call() -> None:
    text = "INVITE sip:+447700900123@x SIP/2.0\r\n\r\n"
    assert heard(hep(sip("MESSAGE", body=text))) == (1, [])
    assert heard(hep(sip("NOTIFY", body=text))) == (0, [])


def test_who_has_another_key_denies_no_coverage() -> None:
    assert heard(hep(sip()[:90]), auth_key="ours") == (0, [])
    assert heard(hep(sip()[:90], more=chunk(14, b"ours")), auth_key="ours") == (0, LOST)


def test_the_time_that_an_agent_gave_is_lost_too() -> None:
    reader = HepReader(DialPlan.of_country(44))
    reader.read(hep(sip()[:90], at=AT - 60), AT)
    assert reader.lost() == [(AT - 60, AT + 1)]


@given(st.integers(0, len(sip())), st.booleans())
def test_a_call_in_two_pieces_is_an_event_or_lost_time(cut: int, on_tcp: bool) -> None:
    more = TCP if on_tcp else b""
    pieces = [hep(piece, more=more) for piece in (sip()[:cut], sip()[cut:]) if piece]
    events, lost = heard(*pieces)
    assert events == 1 or lost or (not on_tcp and cut < len("INVITE"))


def test_a_frame_that_holds_nothing_is_doubted() -> None:
    assert heard(framed(chunk(11, b"\x01"))) == (0, LOST)
