"""What a SIP body says: an offer with a picture, and messages that nobody wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.switch_traffic import AT, hep, sip

from ringfence import EventKind
from ringfence.adapters.hep_reader import HepReader
from ringfence.adapters.sip_body import DEPTH_MAX, PARTS_MAX, is_signal, offers_video
from ringfence.wording.dialled import DialPlan


def kind(message: bytes) -> EventKind | str:
    """The kind of the event that a message is, or the reason why it is none."""
    reader = HepReader(DialPlan.of_country(44))
    made = reader.read(hep(message), AT)
    return made[0].kind if made else next(iter(reader.tally))


def message(content_type: str, body: str, more: str = "") -> EventKind | str:
    return kind(sip("MESSAGE", more=f"Content-Type: {content_type}\r\n{more}", body=body))


SDP = "Content-Type: application/sdp\r\n"
AUDIO = "v=0\r\nm=audio 6000 RTP/AVP 0\r\n"


@pytest.mark.parametrize(
    ("more", "body", "expected"),
    [
        (SDP, AUDIO, EventKind.CALL),
        (SDP, AUDIO + "m=video 6002 RTP/AVP 96\r\n", EventKind.VIDEO),
        (SDP, AUDIO + "m=video 6002/2 RTP/AVP 96", EventKind.VIDEO),
        (SDP, AUDIO.replace("\r", "") + "m=video 6002 RTP/AVP 96\n", EventKind.VIDEO),
        (SDP, AUDIO + "m=video 0 RTP/AVP 96\r\n", EventKind.CALL),
        (SDP, AUDIO + "m=video 0 RTP/AVP 96\r\nm=video 8 RTP/AVP 96\r\n", EventKind.VIDEO),
        (SDP, AUDIO + "a=m=video 6002\r\n", EventKind.CALL),
        ("", AUDIO + "m=video 6002 RTP/AVP 96\r\n", EventKind.VIDEO),
        ("c: multipart/mixed;boundary=b\r\n", "--b\r\nm=video 1 RTP/AVP 96\r\n", EventKind.VIDEO),
        ("Content-Type: text/plain\r\n", "m=video 6002 RTP/AVP 96\r\n", EventKind.CALL),
    ],
)
def test_offer_with_a_picture_is_a_video_call(more: str, body: str, expected: EventKind) -> None:
    assert kind(sip(more=more, body=body)) == expected


def test_octets_after_the_content_length_are_not_the_body() -> None:
    short = sip(more=SDP).replace(b"Content-Length: 0", b"Content-Length: 4")
    assert kind(short + b"v=0\nm=video 6002 RTP/AVP 96\r\n") == EventKind.CALL


GROUP = "v=0\r\na=group:LS x y\r\na=group:BUNDLE audio picture\r\nm=audio 6000 X\r\na=mid:audio\r\n"
PICTURE = "m=video 0 RTP/AVP 96\r\na=mid:picture\r\na=bundle-only\r\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (GROUP + PICTURE, EventKind.VIDEO),
        ((GROUP + PICTURE).replace("\r", ""), EventKind.VIDEO),
        (GROUP + "m=video 0 RTP/AVP 96\r\na=bundle-only\r\na=mid:picture", EventKind.VIDEO),
        (GROUP + PICTURE + "m=application 0 X\r\na=mid:data\r\na=bundle-only\r\n", EventKind.VIDEO),
        # Refused: not bundle-only, in no group, without a name, or another section is.
        (GROUP + "m=video 0 RTP/AVP 96\r\na=mid:picture\r\n", EventKind.CALL),
        (GROUP.replace("picture", "other") + PICTURE, EventKind.CALL),
        (GROUP.replace("BUNDLE", "LS") + PICTURE, EventKind.CALL),
        (GROUP + PICTURE.replace("a=mid:picture\r\n", ""), EventKind.CALL),
        (GROUP + "m=video 0 X\r\nm=text 0 X\r\na=mid:picture\r\na=bundle-only\r\n", EventKind.CALL),
        (GROUP + "a=bundle-only\r\nm=video 0 RTP/AVP 96\r\na=mid:picture\r\n", EventKind.CALL),
        (GROUP + "v=0\r\n" + PICTURE, EventKind.CALL),
    ],
)  # fmt: skip
def test_picture_that_is_only_bundled_is_offered(body: str, expected: EventKind) -> None:
    assert kind(sip(more=SDP, body=body)) == expected
    inside = f"--b\r\nContent-Type: application/sdp\r\n\r\n{body}\r\n--b--\r\n"
    assert kind(sip(more="c: multipart/mixed;boundary=b\r\n", body=inside)) == expected


TEXT = "text/plain; charset=UTF-8", "hello"
RECEIPT = "message/imdn+xml", "<imdn/>"
TYPING = "application/im-iscomposing+xml", "<isComposing/>"
SIGNALS = [RECEIPT, TYPING, ("message/disposition-notification", "Disposition: displayed")]


def cpim(content_type: str, body: str, end: str = "\r\n") -> tuple[str, str]:
    lines = (
        "From: <sip:anonymous@anonymous.invalid>",
        "To: <sip:anonymous@anonymous.invalid>",
        "NS: imdn <urn:ietf:params:imdn>",
        "imdn.Message-ID: d834jied93rf",
        "imdn.Disposition-Notification: positive-delivery, display",
        "",
        f"Content-type: {content_type}",
        f"Content-length: {len(body)}",
        "",
        body,
    )
    return "Message/CPIM", end.join(lines)


def multipart(*parts: tuple[str, str], boundary: str = "Edge", more: str = "") -> tuple[str, str]:
    bodies = (f"--{boundary}\r\nContent-Type: {name}\r\n\r\n{body}\r\n" for name, body in parts)
    name = f'multipart/mixed;{more} boundary="{boundary}"'
    return name, "preamble\r\n" + "".join(bodies) + f"--{boundary}--\r\nepilogue"


@pytest.mark.parametrize("signal", SIGNALS)
def test_signal_that_nobody_wrote_is_no_message_wherever_it_is(signal: tuple[str, str]) -> None:
    name, body = signal
    for content_type in (name, name.upper(), f"{name} ;charset=utf-8"):
        assert message(content_type, body) == "not_a_message"
        for end in ("\r\n", "\n"):
            assert message(*cpim(content_type, body, end)) == "not_a_message"
        assert message(*multipart((content_type, body))) == "not_a_message"
    assert message(*multipart(signal, cpim(*RECEIPT))) == "not_a_message"
    assert message(*cpim(*multipart(signal))) == "not_a_message"
    assert message(*multipart(cpim(*cpim(*signal)), boundary="a b")) == "not_a_message"
    named = name.replace("/", "/\r\n ", 0) + ";\r\n charset=utf-8"
    assert message(*cpim(named, body)) == "not_a_message", "folded"


def test_receipt_is_known_by_its_disposition_too() -> None:
    notification = "Content-Disposition: notification;handling=optional\r\n"
    assert message("text/xml", "<imdn/>", notification) == "not_a_message"
    assert message("text/xml", "<imdn/>", notification * 2) == "not_a_message"
    name, body = cpim("text/xml\r\nContent-Disposition: notification", "<imdn/>")
    assert message(name, body) == "not_a_message"


@pytest.mark.parametrize(
    "written",
    [
        TEXT,
        cpim(*TEXT),
        cpim(*TEXT, end="\n"),
        cpim(*cpim(*TEXT)),
        multipart(TEXT),
        multipart(RECEIPT, TEXT),
        multipart(TEXT, cpim(*RECEIPT)),
        cpim(*multipart(TYPING, TEXT)),
        cpim("text/plain", "Content-type: message/imdn+xml\r\n\r\n<imdn/>"),
        ("text/plain", "Content-Type: message/imdn+xml\r\n\r\n<imdn/>"),
        # What cannot be taken apart was written by somebody.
        ("message/cpim", ""),
        ("message/cpim", "From: <sip:a@x>\r\n\r\nhello"),
        ("multipart/mixed", "--b\r\nContent-Type: message/imdn+xml\r\n\r\n<imdn/>\r\n--b--"),
        ("multipart/mixed;boundary=b", ""),
        ("multipart/mixed;boundary=b", "--c\r\nContent-Type: message/imdn+xml\r\n\r\n"),
        ("", "hello"),
    ],
)
def test_what_somebody_wrote_is_a_message(written: tuple[str, str]) -> None:
    assert message(*written) == EventKind.SMS


def test_names_inside_do_not_change_who_sends() -> None:
    name, body = cpim(*TEXT)
    (made,) = HepReader(DialPlan.of_country(44)).read(
        hep(sip("MESSAGE", more=f"Content-Type: {name}\r\n", body=body)), AT
    )
    assert made.caller == 441632960321


def test_bodies_are_looked_into_within_bounds() -> None:
    deep = RECEIPT
    for _ in range(DEPTH_MAX):
        deep = cpim(*deep)
    assert message(*deep) == "not_a_message"
    assert message(*cpim(*deep)) == EventKind.SMS
    assert message(*multipart(*[RECEIPT] * PARTS_MAX)) == "not_a_message"
    assert message(*multipart(*[RECEIPT] * (PARTS_MAX + 1))) == EventKind.SMS


@pytest.mark.parametrize(
    "hostile", [b"\n" * 60_000, b"--b\n" * 15_000, b":\n" * 30_000, b";" * 60_000]
)
def test_hostile_body_takes_linear_time(hostile: bytes) -> None:
    # Quadratic reading of 60,000 octets would end in the test's time limit.
    for name in (b"message/cpim", b"multipart/mixed;boundary=b", b"multipart/mixed" + hostile):
        assert not is_signal(name, b"", hostile)
    assert not offers_video(b"", b"m=video 0 X\na=bundle-only\na=mid:x\n" + hostile)


PIECES = st.sampled_from(
    [
        *(line + "\r\n" for line in (*(GROUP + PICTURE).split("\r\n"), "--b", "--b--")),
        *(line + "\n" for line in cpim(*RECEIPT)[1].split("\r\n")),
        *("Content-Type: multipart/mixed;boundary=b\r\n", "Content-Type: message/cpim\r\n", "\r\n"),
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join) | st.text(), st.booleans())
def test_any_body_is_one_or_the_other(body: str, inside: bool) -> None:
    outer = "message/cpim" if inside else "multipart/mixed;boundary=b"
    assert message(outer, body) in (EventKind.SMS, "not_a_message")
    assert kind(sip(body=body)) in (EventKind.CALL, EventKind.VIDEO)
