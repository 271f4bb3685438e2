"""SIP messages that follow each other on a connection, as a capture agent copies them in one piece.

On a stream the Content-Length says where a message ends (RFC 3261 18.3), and empty lines between
messages keep the connection alive (RFC 5626 3.5.1). What a message without a readable length holds
goes on to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ringfence.adapters.base import Unreadable
from ringfence.adapters.sip_body import END_OF_HEADERS, FOLD

MESSAGES_MAX = 64
"""Messages read of one piece; a TCP segment of 1,460 octets has room for five."""

_LENGTH = re.compile(
    rb"^(?:content-length|l)[ \t]*+:[ \t]*+([0-9]{1,9})[ \t]*+\r?$", re.IGNORECASE | re.MULTILINE
)
_NOT_EMPTY = re.compile(rb"[^\r\n]")


def split_messages(octets: bytes) -> Iterator[bytes]:
    """The messages of a piece of a stream, in order; the last may be cut.

    At least one, which is empty when the piece has nothing but empty lines. Raises Unreadable when
    there are more than MESSAGES_MAX, after those.
    """
    at = 0
    for _ in range(MESSAGES_MAX):
        end = _end(octets, at)
        yield octets[at:end]
        begin = _NOT_EMPTY.search(octets, end)
        if not begin:
            return
        at = begin.start()
    raise Unreadable("sip_too_many_messages")


def _end(octets: bytes, at: int) -> int:
    begin = _NOT_EMPTY.search(octets, at)
    headers = END_OF_HEADERS.search(octets, begin.start()) if begin else None
    if not begin or not headers:
        return len(octets)
    length = _LENGTH.search(FOLD.sub(b" ", octets[begin.start() : headers.start() + 1]))
    return min(headers.end() + int(length[1]), len(octets)) if length else len(octets)
