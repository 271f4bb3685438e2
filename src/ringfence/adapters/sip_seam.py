"""Whether pieces that were put together belong together: what lies between them may be missing.

Nothing numbers the pieces of a stream, so this is read from what a message says twice, from what
it must say once, and from what it cannot say at all. Where the begin of one message and the end of
another read as one that is whole in every way, nothing in the octets tells.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator

from ringfence.adapters.base import Unreadable
from ringfence.adapters.sip_address import read_address, read_uri
from ringfence.adapters.sip_body import END_OF_HEADERS
from ringfence.wording.dialled import DialPlan

_SDP = re.compile(
    rb"^(?:content-type|c)[ \t]*+:[ \t]*+application/sdp", re.IGNORECASE | re.MULTILINE
)
_TO = re.compile(rb"^(?:to|t)[ \t]*+:([^\n]*+)", re.IGNORECASE | re.MULTILINE)
_CSEQ = re.compile(rb"^cseq[ \t]*+:[ \t]*+[0-9]++[ \t]++(\S++)", re.IGNORECASE | re.MULTILINE)
_HEADER_LINE = re.compile(
    rb"^(?:via|v|from|f|to|t|call-id|i|cseq|contact|m|max-forwards|content-length|l)[ \t]*+:",
    re.IGNORECASE | re.MULTILINE,
)
_CALLS = (b"INVITE", b"MESSAGE")

_COMPACT = {
    b"i": b"call-id", b"m": b"contact", b"e": b"content-encoding", b"l": b"content-length",
    b"c": b"content-type", b"f": b"from", b"s": b"subject", b"k": b"supported", b"t": b"to",
    b"v": b"via", b"u": b"allow-events", b"r": b"refer-to", b"b": b"referred-by",
    b"o": b"event", b"x": b"session-expires", b"d": b"request-disposition",
    b"a": b"accept-contact", b"j": b"reject-contact", b"y": b"identity", b"n": b"identity-info",
}  # fmt: skip
_MUST = (b"to", b"from", b"call-id", b"cseq")
_ONCE = (
    *_MUST,
    *(b"max-forwards", b"content-length", b"content-type", b"user-agent", b"date", b"expires"),
    *(b"subject", b"organization", b"session-expires", b"min-se", b"refer-to", b"event"),
)
_KNOWN = frozenset(
    b"""
    accept accept-contact accept-encoding accept-language accept-resource-priority alert-info allow
    allow-events answer-mode authentication-info authorization call-id call-info contact
    content-disposition content-encoding content-id content-language content-length content-type
    cseq date diversion error-info event expires feature-caps from geolocation geolocation-routing
    history-info identity identity-info in-reply-to join max-breadth max-forwards mime-version
    min-expires min-se organization path priority priv-answer-mode privacy proxy-authenticate
    proxy-authorization proxy-require rack reason record-route recv-info refer-sub refer-to
    referred-by reject-contact remote-party-id replaces reply-to request-disposition require
    resource-priority retry-after route rseq security-client security-server security-verify server
    service-route session-expires session-id sip-etag sip-if-match subject subscription-state
    supported suppress-if-match target-dialog timestamp to unsupported user-agent user-to-user via
    warning www-authenticate
    """.split()
)
"""Headers that are registered with IANA for calls and messages."""
_FREE = (b"x-", b"p-")


def body_is_of_two(message: bytes) -> bool:
    """Whether a body has in it what is no part of a body.

    That is what the headers of another message leave there.
    """
    end = END_OF_HEADERS.search(message)
    if not end:
        return False
    body = message[end.end() :]
    if _HEADER_LINE.search(body):
        return True
    empty_line = END_OF_HEADERS.search(body) is not None or body.startswith((b"\r\n", b"\n"))
    return empty_line and _SDP.search(message, 0, end.start() + 1) is not None


def head_is_of_two(message: bytes, seams: Iterable[int], plan: DialPlan) -> bool:
    """Whether start line and headers may be half of one message and half of another.

    `seams` is where pieces met, in order. A call that was passed on to another number looks like
    it.
    """
    end = END_OF_HEADERS.search(message)
    head = message[: end.start()] if end else message
    inside = [seam for seam in seams if seam < len(head)]
    return bool(inside) and (_line_is_of_two(head, plan) or _headers_are_of_two(head, inside))


def _line_is_of_two(head: bytes, plan: DialPlan) -> bool:
    """Then a call is called at a number that To does not have, or CSeq has another method."""
    line = head.partition(b"\n")[0].rstrip()
    words = line.split(b" ")
    if words[0] == b"SIP/2.0":
        return words[-1] == b"SIP/2.0"
    cseq = _CSEQ.search(head)
    if len(words) != 3 or not cseq or cseq[1] != words[0]:
        return True
    if words[0] not in _CALLS:
        return False
    to = _TO.search(head)
    try:
        called = plan.number(read_uri(words[1]).user)
        sent_to = plan.number(read_uri(read_address(to[1].strip()).uri).user) if to else None
    except Unreadable:
        return True
    return called is None or called != sent_to


def _headers_are_of_two(head: bytes, seams: list[int]) -> bool:
    """Then a header is missing or there twice, or one that goes over a seam has a strange name."""
    counts: Counter[bytes] = Counter()
    for begin, end, name in _headers(head):
        counts[name] += 1
        next_seam = bisect_right(seams, begin)
        met = next_seam < len(seams) and seams[next_seam] < end
        if met and name not in _KNOWN and not name.startswith(_FREE):
            return True
    is_reply = head.startswith(b"SIP/")
    return (
        not all(counts[name] for name in (*_MUST, b"via"))
        or any(counts[name] > 1 for name in _ONCE)
        or (is_reply and b"max-forwards" in counts)
    )


def _headers(head: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Where each line behind the first one begins and ends, and the full name in it."""
    at = head.find(b"\n") + 1
    while 0 < at < len(head):
        end = head.find(b"\n", at) + 1 or len(head)
        if head[at : at + 1] not in (b" ", b"\t"):
            name, colon, _ = head[at:end].partition(b":")
            name = name.rstrip().lower() if colon else b""
            yield at, end, _COMPACT.get(name, name)
        at = end
