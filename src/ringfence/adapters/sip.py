"""SIP requests that start something: INVITE (RFC 3261) and MESSAGE (RFC 3428) outside a dialog.

`read_request` reads one message as it was on the wire. Everything else that travels (replies, ACK,
BYE, re-INVITE ...) is turned down by its first octets or its To-tag, by the name of its outcome.
Identities of the network (P-Asserted-Identity, Remote-Party-ID) are not looked at: From is the
caller, and where From or Privacy says that the caller is not to be shown, nothing overrules it.
A From that cannot be read does not make the call unheard of: it only leaves its caller unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ringfence.adapters.base import Unreadable
from ringfence.adapters.calls import Leg, digest
from ringfence.adapters.sip_address import read_address, read_uri
from ringfence.adapters.sip_body import END_OF_HEADERS, FOLD, is_signal, offers_video

INVITE = "INVITE"
MESSAGE = "MESSAGE"

_METHODS = {b"INVITE": INVITE, b"MESSAGE": MESSAGE}
_METHOD = re.compile(rb"[A-Za-z0-9.!%*_+`'~-]++ ")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_CSEQ = re.compile(rb"[0-9]{1,10}(?![0-9])")
_NONCE = re.compile(rb'\bnonce\s*=\s*"([^"]*)"', re.IGNORECASE)

# Full and compact names (RFC 3261 7.3.3) of the headers that are read.
_ONCE = {
    b"from": b"from", b"f": b"from",
    b"to": b"to", b"t": b"to",
    b"call-id": b"call-id", b"i": b"call-id",
    b"cseq": b"cseq",
    b"content-type": b"content-type", b"c": b"content-type",
    b"content-length": b"content-length", b"l": b"content-length",
}  # fmt: skip
_OFTEN = {
    b"content-disposition": b"disposition",
    b"privacy": b"privacy",
    b"authorization": b"credentials",
    b"proxy-authorization": b"credentials",
}

# RFC 3323 4.2 and RFC 3325 9.3; `session`, `critical`, `none` and `history` hide no caller.
_HIDING = frozenset((b"id", b"user", b"header"))
_HIDDEN_HOSTS = frozenset(("anonymous.invalid", "unknown.invalid"))  # RFC 3323 4.1, TS 29.163


@dataclass(frozen=True, slots=True)
class Request:
    """A request that starts a call or is a message."""

    method: str
    called: str
    """User part of the request URI, or the number of a tel URI; empty when it has none."""
    caller: str | None = field(repr=False)
    """User part of From; empty when it is withheld, None when it cannot be read."""
    call_id: bytes
    leg: Leg | None
    """Of a MESSAGE; None for an INVITE."""
    video: bool
    """The offer has a picture."""


def read_request(message: bytes) -> Request:
    """Reads a request that starts something; raises Unreadable for everything else."""
    if message[:1] in (b"\r", b"\n"):
        message = message.lstrip(b"\r\n")
    if not message:
        raise Unreadable("keepalive")
    method = _read_method(message)
    end = END_OF_HEADERS.search(message)
    if not end:
        # The line that was cut off could have been Privacy, or half a number.
        raise Unreadable("sip_truncated")
    line, _, text = message[: end.start()].partition(b"\n")
    words = line.rstrip(b"\r").split(b" ")
    if len(words) != 3 or words[2].upper() != b"SIP/2.0":
        raise Unreadable("sip_unreadable")
    once, often = _read_headers(text)
    for name in (b"to", b"call-id"):
        if not once.get(name):
            raise Unreadable("header_missing")
    if read_address(once[b"to"]).parameter(b"tag"):
        raise Unreadable("in_dialog")
    content_type = once.get(b"content-type", b"")
    body = _cut(message[end.end() :], once.get(b"content-length", b""))
    if method == MESSAGE and is_signal(content_type, b",".join(often[b"disposition"]), body):
        raise Unreadable("not_a_message")
    return Request(
        method,
        called=read_uri(words[1]).user,
        caller=_shown_caller(once.get(b"from", b""), often[b"privacy"]),
        call_id=once[b"call-id"],
        leg=_message_leg(once, often, body) if method == MESSAGE else None,
        video=method == INVITE and offers_video(content_type, body),
    )


def _read_method(message: bytes) -> str:
    name, space, _ = message[:8].partition(b" ")  # as long as the longest that is known
    known = _METHODS.get(name)
    if known and space:
        return known
    if message[:4].upper() == b"SIP/":
        raise Unreadable("reply")
    raise Unreadable("other_method" if _METHOD.match(message) else "sip_unreadable")


def _read_headers(text: bytes) -> tuple[dict[bytes, bytes], dict[bytes, list[bytes]]]:
    if b"\n " in text or b"\n\t" in text:
        text = FOLD.sub(b" ", text)
    once: dict[bytes, bytes] = {}
    often: dict[bytes, list[bytes]] = {b"privacy": [], b"credentials": [], b"disposition": []}
    for line in text.split(b"\n"):
        name, _, value = line.partition(b":")
        name = name.rstrip().lower()
        if name in _ONCE:
            name = _ONCE[name]
            if name in once:
                if name != b"from":
                    raise Unreadable("header_twice")
                value = b""  # of two callers neither is believed
            once[name] = value.strip()
        elif name in _OFTEN:
            often[_OFTEN[name]].append(value)
    return once, often


def _cut(body: bytes, content_length: bytes) -> bytes:
    """The body without what follows it in the datagram (RFC 3261 18.3)."""
    return body[: int(content_length)] if _LENGTH.fullmatch(content_length) else body


def _shown_caller(sender: bytes, privacy: list[bytes]) -> str | None:
    values = re.split(rb"[;,\s]+", b",".join(privacy).lower())
    if not _HIDING.isdisjoint(values):
        return ""
    try:
        caller = read_uri(read_address(sender).uri)
    except Unreadable:
        return None
    return "" if caller.host in _HIDDEN_HOSTS else caller.user


def _message_leg(once: dict[bytes, bytes], often: dict[bytes, list[bytes]], body: bytes) -> Leg:
    cseq = _CSEQ.match(once.get(b"cseq", b""))
    # The nonce names the challenge that is answered; the rest differs even in a retry of its own.
    credentials = b",".join(
        b",".join(_NONCE.findall(value)) or value for value in often[b"credentials"]
    )
    return Leg(
        cseq=int(cseq[0]) if cseq else 0,
        body=digest(body),
        credentials=digest(credentials) if credentials else b"",
    )
