"""Whether pieces that were put together belong together: what lies between them may be missing.

Nothing numbers the pieces of a stream, so this is read from what a message says twice, and from
what it cannot say at all.
"""

from __future__ import annotations

import re

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


def line_is_of_two(message: bytes, plan: DialPlan) -> bool:
    """Whether a start line may be half of one and half of another.

    Then a call is called at a number that To does not have, and of other requests CSeq has another
    method. A call that was passed on to another number looks the same.
    """
    line = message.partition(b"\n")[0].rstrip()
    words = line.split(b" ")
    if words[0] == b"SIP/2.0":
        return words[-1] == b"SIP/2.0"
    cseq = _CSEQ.search(message)
    if len(words) != 3 or not cseq or cseq[1] != words[0]:
        return True
    if words[0] not in _CALLS:
        return False
    to = _TO.search(message)
    try:
        called = plan.number(read_uri(words[1]).user)
        sent_to = plan.number(read_uri(read_address(to[1].strip()).uri).user) if to else None
    except Unreadable:
        return True
    return called is None or called != sent_to
