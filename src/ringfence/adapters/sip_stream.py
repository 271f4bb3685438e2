"""SIP messages that follow each other on a connection, as a capture agent copies them in pieces.

On a stream the Content-Length says where a message ends (RFC 3261 18.3), and empty lines between
messages keep the connection alive (RFC 5626 3.5.1). What a message without a readable length holds
goes on to the end of the piece.

Pieces get lost on the way from the agent, and nothing numbers them. So what is cut here is doubted
wherever the octets say that two messages may have grown together: a line that ends as a start line
does, inside headers or a body; lines that belong to no message; a method that nobody knows, which
may be the end of INVITE.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from ringfence.adapters.base import Unreadable
from ringfence.adapters.sip_body import END_OF_HEADERS, FOLD

MESSAGES_MAX = 64
"""Messages read of one piece; a TCP segment of 1,460 octets has room for five."""
BODY_MAX = 65_535
"""A body said to be longer is not waited for."""

_VERSION = rb"(?i:SIP/2\.0)[ \t]*+\r?(?:\n|\Z)"
_STATUS = rb"SIP/2\.0 [0-9]{3}[ \r\n]"
_KNOWN_METHODS = (
    b"INVITE|MESSAGE|ACK|BYE|CANCEL|OPTIONS|REGISTER|PRACK|SUBSCRIBE|NOTIFY|PUBLISH|INFO|REFER"
    b"|UPDATE"
)  # RFC 3261, 3262, 3311, 3428, 3515, 3903, 6086, 6665
_METHODS = rb"(?:" + _KNOWN_METHODS + rb")"
_FIRST_WORDS = tuple(word + b" " for word in (*_KNOWN_METHODS.split(b"|"), b"SIP/2.0"))
# What is not quite a request is taken for one if it says that it is a call.
_START = (
    rb"(?:(?:INVITE|MESSAGE) |" + _STATUS + rb"|[\w.!%*+`'~-]{1,32}+ [^ \r\n]++ " + _VERSION + rb")"
)
_START_HERE = re.compile(_START)
_START_LINE = re.compile(rb"^" + _START, re.MULTILINE)
_KNOWN = re.compile(_METHODS + rb" |" + _STATUS)
_BEGINNING = re.compile(rb"(?:" + _METHODS + rb" [^ \r\n]++ " + _VERSION + rb"|" + _STATUS + rb")")
_START_LINE_END = re.compile(rb"SIP/2\.0[ \t]*+\r?\n", re.IGNORECASE)

_LENGTH = re.compile(
    rb"^(?:content-length|l)[ \t]*+:[ \t]*+([0-9]{1,9})[ \t]*+\r?$", re.IGNORECASE | re.MULTILINE
)
_NOT_EMPTY = re.compile(rb"[^\r\n]")


class State(Enum):
    """What some octets of a stream are."""

    WHOLE = "a message"
    DOUBTED = "a message, and perhaps parts of another"
    TAIL = "the end of a message whose beginning is not here"
    OPEN = "a message that goes on behind the octets"


class Cut(NamedTuple):
    """One thing in a stream, from `begin` to `end`."""

    begin: int
    end: int
    state: State


def cut_stream(octets: bytes) -> Iterator[Cut]:
    """What follows each other in a piece of a stream, in order; only the last can be OPEN.

    Nothing when it has only empty lines. Raises Unreadable when there are more than MESSAGES_MAX,
    after those.
    """
    at = 0
    for _ in range(MESSAGES_MAX):
        begin = _NOT_EMPTY.search(octets, at)
        if not begin:
            return
        at = begin.start()
        end, state = (_message if _START_HERE.match(octets, at) else _tail)(octets, at)
        yield Cut(at, end, state)
        at = end
    if _NOT_EMPTY.search(octets, at):
        raise Unreadable("sip_too_many_messages")


def begins_message(octets: bytes) -> bool:
    """Whether a piece begins with a start line, and so with a message of its own."""
    return _BEGINNING.match(octets) is not None


def has_headers(octets: bytes) -> bool:
    """Whether all headers of a message are there."""
    return END_OF_HEADERS.search(octets) is not None


def _message(octets: bytes, at: int) -> tuple[int, State]:
    first = octets.find(b"\n", at)
    if first < 0:
        return len(octets), State.OPEN
    headers = END_OF_HEADERS.search(octets, first)
    end, state = _length(octets, at, headers) if headers else (len(octets), State.OPEN)
    other = _START_LINE_END.search(octets, first, end)
    if other and not (headers and other.start() >= headers.start()):
        # In the headers: what is here of this message ends before that line.
        return octets.rfind(b"\n", first, other.start()) + 1, State.DOUBTED
    if state is State.WHOLE and (other or not _KNOWN.match(octets, at)):
        state = State.DOUBTED
    return end, state


def _length(octets: bytes, at: int, headers: re.Match[bytes]) -> tuple[int, State]:
    text = octets[at : headers.start() + 1]
    if b"\n " in text or b"\n\t" in text:
        text = FOLD.sub(b" ", text)
    length = _LENGTH.search(text)
    if not length:
        other = _may_begin_a_message(octets, headers.end())
        return len(octets), State.DOUBTED if other else State.WHOLE
    if int(length[1]) > BODY_MAX:
        return len(octets), State.DOUBTED
    end = headers.end() + int(length[1])
    return (len(octets), State.OPEN) if end > len(octets) else (end, State.WHOLE)


def _may_begin_a_message(octets: bytes, at: int) -> bool:
    """Whether a line from there on is the first one of a message, or may become it."""
    begin = max(octets.rfind(b"\n") + 1, at)
    last = octets[begin:]
    return _START_LINE.search(octets, at) is not None or (
        bool(last) and any(word.startswith(last[: len(word)]) for word in _FIRST_WORDS)
    )


def _tail(octets: bytes, at: int) -> tuple[int, State]:
    start = _START_LINE.search(octets, at)
    if start:
        return start.start(), State.TAIL
    # Its last line may be the first of another message.
    end = octets.rfind(b"\n", at) + 1
    return (end, State.TAIL) if end else (len(octets), State.OPEN)
