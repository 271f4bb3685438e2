"""SIP in pieces of a TCP stream: put together, read once, and never silently given up."""

import random
from itertools import pairwise

import pytest
from support.switch_traffic import AT, chunk, framed, hep, sip

from ringfence import EventKind
from ringfence.adapters.base import Attempt
from ringfence.adapters.hep import read_datagram
from ringfence.adapters.hep_reader import LATE_S, HepReader
from ringfence.adapters.sip_pieces import PIECES_MAX, WAIT_S, Pieces
from ringfence.adapters.sip_stream import BODY_MAX
from ringfence.wording.dialled import DialPlan

FIRST, SECOND = 447700900123, 447700900456
OTHER = sip(uri="sip:+447700900456@x", to="<sip:07700900456@x>", call_id="c2")
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.4\r\ns=-\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"
TALK = sip(more="Content-Type: application/sdp\r\n", body=SDP)
SEEN = sip(more="Content-Type: application/sdp\r\n", body=SDP + "m=video 6002 RTP/AVP 31\r\n")


class Stream:
    """Pieces of a connection, as an agent reports them one a second or as told."""

    def __init__(self) -> None:
        self.reader = HepReader(DialPlan.of_country(44))
        self.made: list[Attempt] = []

    def piece(self, payload: bytes, after_s: int = 0, port: int = 15080) -> "Stream":
        octets = hep(payload, transport=6, at=AT + after_s, port=port)
        self.made += self.reader.read(octets, AT + after_s)
        return self

    def wait(self, after_s: int) -> "Stream":
        self.made += self.reader.look(AT + after_s)
        return self

    @property
    def called(self) -> list[int]:
        return [made.called for made in self.made]

    @property
    def lost(self) -> tuple[int, int] | None:
        """The interval lost since it was last asked for, in seconds after AT + LATE_S and AT."""
        lost = self.reader.lost()
        if not lost:
            return None
        return min(begin for begin, _ in lost) + LATE_S - AT, max(end for _, end in lost) - AT


def whole(stream: Stream) -> bool:
    """Nothing waits and nothing was lost."""
    return stream.reader.waits_since is None and stream.lost is None


@pytest.mark.parametrize(
    "message", [sip(), TALK, SEEN, sip("MESSAGE", body="hello"), sip(end="\n")]
)
def test_message_cut_anywhere_is_one_event(message: bytes) -> None:
    (expected,) = Stream().piece(message).made
    for at in range(1, len(message)):
        stream = Stream().piece(message[:at]).piece(message[at:])
        assert stream.made == [expected], at
        assert whole(stream), at


def test_message_in_many_pieces_is_one_event() -> None:
    for step in (len(TALK) // PIECES_MAX + 1, 50, 100):
        stream = Stream()
        for at in range(0, len(TALK), step):
            stream.piece(TALK[at : at + step])
        assert stream.called == [FIRST], step
        assert whole(stream), step


@pytest.mark.parametrize("seed", range(5))
def test_several_messages_in_any_pieces_are_an_event_each(seed: int) -> None:
    chance = random.Random(seed)
    numbers = [447700900000 + n for n in range(20)]
    octets = b""
    for n in numbers:
        body = chance.choice(("", SDP))
        octets += sip(uri=f"sip:+{n}@x", to=f"<sip:+{n}@x>", call_id=str(n), body=body)
        octets += b"\r\n\r\n"
    cuts = sorted(chance.sample(range(1, len(octets)), 40))
    stream = Stream()
    for begin, end in pairwise([0, *cuts, len(octets)]):
        stream.piece(octets[begin:end])
    assert stream.called == numbers, seed
    assert whole(stream), seed


def test_kind_of_a_call_is_in_the_piece_that_comes_later() -> None:
    (made,) = Stream().piece(SEEN[:-10]).piece(SEEN[-10:]).made
    assert made.kind == EventKind.VIDEO


def test_message_has_the_time_of_its_first_piece_and_waits_since_then() -> None:
    stream = Stream().piece(sip()[:50], 1)
    assert stream.reader.waits_since == AT + 1
    stream.piece(sip()[50:90], 2)
    assert stream.reader.waits_since == AT + 1
    stream.piece(sip()[90:] + OTHER[:9], 3)
    assert stream.reader.waits_since == AT + 3
    stream.piece(OTHER[9:], 4)
    assert [made.occurred_at - AT for made in stream.made] == [1, 3]
    assert whole(stream)


def test_connections_are_told_apart() -> None:
    stream = Stream().piece(sip()[:50], port=1).piece(OTHER[:60], port=2)
    stream.piece(sip()[50:], port=1).piece(OTHER[60:], port=2)
    assert stream.called == [FIRST, SECOND]
    assert whole(stream)


def test_headers_that_are_never_complete_are_lost_time() -> None:
    stream = Stream().piece(sip()[:90], 1).piece(sip()[90:120], 2)
    assert stream.wait(WAIT_S).lost is None
    assert stream.wait(WAIT_S + 1).lost == (1, 3)
    assert stream.reader.waits_since is None
    assert stream.made == []
    assert stream.reader.tally == {"sip_piece": 2, "sip_truncated": 1}


def test_body_that_is_never_complete_is_an_event_and_lost_time() -> None:
    stream = Stream().piece(TALK[:-10], 1).wait(WAIT_S + 1)
    assert stream.called == [FIRST]
    assert stream.lost == (1, 2)


def test_rest_that_comes_too_late_is_lost_time() -> None:
    stream = Stream().piece(sip()[:90]).piece(sip()[90:], WAIT_S)
    assert stream.made == []
    assert stream.lost == (0, WAIT_S + 1)


def test_clock_that_is_set_back_lets_nothing_wait() -> None:
    stream = Stream().piece(sip()[:90], 10_000).wait(0)
    assert stream.lost == (10_000, 10_001)


@pytest.mark.parametrize(
    "begin", [b"", b"a=sendrecv\r\n", b"90 0\r\n", b"To: <sip:1@x>\r\n\r\n", b"m=a" * 999 + b"\n"]
)
def test_tail_of_something_unseen_hides_no_call_behind_it(begin: bytes) -> None:
    stream = Stream().piece(begin + OTHER)
    assert stream.called == [SECOND]
    assert (stream.lost is not None) == bool(begin)


def test_tail_alone_is_lost_time() -> None:
    assert Stream().piece(sip()[90:]).lost == (0, 1)


@pytest.mark.parametrize("cut", range(1, 60))
def test_piece_that_begins_inside_a_request_line_is_lost_time(cut: int) -> None:
    stream = Stream().piece(sip()[cut:])
    assert stream.made == []
    assert stream.lost == (0, 1), sip()[cut:][:30]


@pytest.mark.parametrize("at", [70, 75, 110, 200, 250])
def test_start_line_inside_headers_is_lost_time(at: int) -> None:
    for glued in (OTHER, OTHER[1:], OTHER[7:]):
        stream = Stream().piece(sip()[:at] + glued)
        assert FIRST not in stream.called
        assert stream.lost == (0, 1), at


@pytest.mark.parametrize("at", [15, 20, 25, 30, 33, 40, 60, 100])
def test_missing_piece_from_one_request_line_to_the_number_of_the_next_is_lost_time(
    at: int,
) -> None:
    for begins in range(OTHER.index(b"@")):
        if sip()[:at] + OTHER[begins:] == OTHER:
            continue  # nothing in the octets says that they are of two
        stream = Stream().piece(sip()[:at]).piece(OTHER[begins:]).wait(WAIT_S)
        assert stream.lost is not None, begins


@pytest.mark.parametrize(
    "message",
    [
        TALK.replace(b"Content-Length: ", b"Content-Length: 1"),
        TALK[:-20] + OTHER,
        sip("BYE").replace(b"Content-Length: 0\r\n", b"") + OTHER,
        b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContent-Length: 40\r\n\r\n" + OTHER,
        TALK.replace(b"Content-Length: ", b"Content-Length: 9999") + OTHER,
        TALK.replace(b"Content-Length: ", b"Content-Length: 0\r\nX: "),
    ],
)
def test_length_that_is_not_true_is_lost_time(message: bytes) -> None:
    assert b"INVITE" in message
    stream = Stream().piece(message).piece(OTHER).wait(WAIT_S)
    assert SECOND in stream.called
    assert stream.lost is not None


def test_missing_piece_within_a_body_is_lost_time() -> None:
    """The body takes in headers, or the end of another body, of what follows."""
    third = sip(uri="sip:+447700900789@x", call_id="c3")
    for begins in range(1, len(OTHER)):
        stream = Stream().piece(TALK[:-60]).piece(OTHER[begins:]).piece(third).wait(WAIT_S)
        assert FIRST in stream.called, begins
        assert 447700900789 in stream.called, begins
        assert stream.lost is not None, begins


def test_retransmitted_piece_is_an_event_and_at_most_lost_time() -> None:
    for at in range(1, len(sip())):
        begin, end = sip()[:at], sip()[at:]
        for pieces in ((begin, begin, end), (begin, end, end), (begin, end, begin, end)):
            stream = Stream()
            for piece in pieces:
                stream.piece(piece)
            stream.wait(WAIT_S)
            assert stream.called == [FIRST] or stream.lost, (at, len(pieces))


def test_pieces_in_the_wrong_order_are_lost_time() -> None:
    for at in range(1, len(sip())):
        stream = Stream().piece(sip()[at:]).piece(sip()[:at]).wait(WAIT_S)
        assert stream.lost is not None, at


def test_method_that_nobody_knows_is_lost_time_on_a_stream_only() -> None:
    assert Stream().piece(sip("FROBNICATE")).lost == (0, 1)
    reader = HepReader(DialPlan.of_country(44))
    assert reader.read(hep(sip("FROBNICATE")), AT) == []
    assert reader.lost() == []


def take(pieces: Pieces, port: int, payload: bytes) -> list[str]:
    piece = read_datagram(hep(payload, transport=6, port=port))
    return [part.outcome or "message" for part in pieces.take(piece, AT, AT)]


def test_streams_are_bounded_and_the_oldest_is_given_up() -> None:
    pieces = Pieces(streams_max=3)
    for port in range(3):
        assert take(pieces, port, sip()[:90]) == ["sip_piece"]
    assert take(pieces, 9, sip()[:90]) == ["sip_piece", "sip_truncated"]
    assert len(pieces) == 3
    assert take(pieces, 0, sip()[90:]) == ["sip_tail"], "it was given up"
    assert take(pieces, 2, sip()[90:]) == ["message"]


def test_octets_are_bounded_over_all_streams() -> None:
    pieces = Pieces(octets_max=1_000)
    long = b"INVITE sip:x SIP/2.0\r\nX: " + b"x" * 375
    outcomes = [take(pieces, port, long)[-1] for port in range(5)]
    assert outcomes == ["sip_piece"] * 2 + ["sip_truncated"] * 3
    assert pieces.octets == 800
    assert [part.outcome for part in pieces.all()] == ["sip_truncated"] * 2
    assert (pieces.octets, len(pieces)) == (0, 0)


def test_octets_that_an_agent_says_beside_are_bounded_too() -> None:
    pieces = Pieces(octets_max=100_000)
    outcomes = []
    for port in range(5):
        more = chunk(17, bytes(30_000)) + chunk(14, bytes(20_000))
        piece = read_datagram(hep(sip()[:90], transport=6, port=port, more=more))
        outcomes += [part.outcome for part in pieces.take(piece, AT, AT)]
    assert outcomes == ["sip_piece"] * 4 + ["sip_truncated"] + ["sip_piece", "sip_truncated"]
    assert pieces.octets == 3 * (90 + 30_000), "no key is kept"
    assert [part.outcome for part in pieces.all()] == ["sip_truncated"] * 3
    assert (pieces.octets, len(pieces)) == (0, 0)


def test_message_is_bounded_in_octets_and_pieces() -> None:
    pieces = Pieces()
    assert take(pieces, 1, b"INVITE sip:x SIP/2.0\r\n") == ["sip_piece"]
    for _ in range(PIECES_MAX - 1):
        assert take(pieces, 1, b"X: x\r\n") == ["sip_piece"]
    assert take(pieces, 1, b"X: x\r\n") == ["sip_truncated", "sip_tail"]
    assert take(pieces, 1, b"INVITE sip:x SIP/2.0\r\nX: " + b"x" * 60_000) == ["sip_piece"]
    assert take(pieces, 1, b"x" * 10_000) == ["sip_truncated", "sip_piece"]
    assert pieces.octets == 10_000


def test_body_longer_than_the_bound_is_not_waited_for() -> None:
    message = sip().replace(b"Content-Length: 0", b"Content-Length: %d" % (BODY_MAX + 1))
    stream = Stream().piece(message)
    assert stream.called == [FIRST]
    assert stream.lost == (0, 1)
    assert stream.reader.waits_since is None


def test_agent_that_says_no_addresses_cannot_be_waited_for() -> None:
    pieces = Pieces()
    piece = read_datagram(framed(chunk(2, b"\x06"), chunk(11, b"\x01"), chunk(15, sip()[:90])))
    (part,) = pieces.take(piece, AT, AT)
    assert (part.outcome, part.doubted, len(pieces)) == ("sip_truncated", True, 0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"To: <sip:+447700900123@switch.example>\r", b"\nTo: <sip:+447700900456@x>\r\n"),
        (b"Call-ID: c1\r\n", b"rds: 70\r\nContent-Length: 0\r\n\r\n"),
        (b"Call-ID: c1\r\nCSeq: 1 INVITE\r\nCo", b"ards: 70\r\nl: 0\r\n\r\n"),
        (b"Max-Forwards: 7", b"0\r\nMax-Forwards: 70\r\nCSeq: 1 INVITE\r\ni: c\r\nl: 0\r\n\r\n"),
        (b"CSeq: 1 INVITE\r\ni: c", b"2\r\nCSeq: 1 BYE\r\nl: 0\r\n\r\n"),
        (b"CSeq: 1 INVITE\r\ni: c\r\nSupp", b"a line without a name\r\nl: 0\r\n\r\n"),
    ],
)
def test_headers_of_two_messages_are_lost_time_until_the_last_of_them(
    before: bytes, after: bytes
) -> None:
    head, _, _ = sip().partition(b"Call-ID")
    head = head if before.startswith((b"Call", b"Max", b"CSeq")) else head.partition(b"To:")[0]
    stream = Stream().piece(head + before, 0).piece(after, 2).wait(WAIT_S + 3)
    assert stream.lost == (0, 3)


@pytest.mark.parametrize("name", [b"Session-ID", b"X-Colour", b"p-charging-vector", b"s"])
def test_known_headers_may_go_over_a_seam(name: bytes) -> None:
    for written, lost in ((name, None), (b"Colour", (0, 1))):
        message = sip().replace(b"Max-Forwards", written + b": 1\r\nMax-Forwards")
        at = message.index(written + b": 1") + len(written)
        stream = Stream().piece(message[:at]).piece(message[at:])
        assert stream.called == [FIRST]
        assert stream.lost == lost, written


@pytest.mark.parametrize(
    ("rest", "lost"),
    [
        (b"", None),
        (SDP.encode(), None),
        (b"\r\n\r\n", None),
        (b"hello", None),
        (b"I", (0, 1)),
        (b"INVITE sip:", (0, 1)),
        (b"SIP/2.0 404 Not Found\r\nl: 0\r\n\r\nIN", (0, 1)),
        (b"SIP/2.0 404 Not Found\r\nl: 0\r\n\r\n", (0, 1)),
        (OTHER, (0, 1)),
    ],
)
def test_message_without_a_length_that_may_hold_another_is_lost_time(
    rest: bytes, lost: tuple[int, int] | None
) -> None:
    stream = Stream().piece(sip().replace(b"Content-Length: 0\r\n", b"") + rest)
    assert stream.called[0] == FIRST
    assert stream.lost == lost


def test_message_in_pieces_that_cannot_be_read_is_lost_time_until_the_last_of_them() -> None:
    message = TALK.replace(b"Call-ID", b"Colour")
    stream = Stream().piece(message[:-9], 0).piece(message[-9:], 2)
    assert stream.made == []
    assert stream.lost == (0, 3)
