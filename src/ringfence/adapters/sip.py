"""SIP requests that start something: INVITE (RFC 3261) and MESSAGE (RFC 3428) outside a dialog.

`read_request` reads one message as it was on the wire. Everything else that travels (replies, ACK,
BYE, re-INVITE ...) is turned down by its first octets or its To-tag, by the name of its outcome.
Identities of the network (P-Asserted-Identity, Remote-Party-ID) are not looked at: From is the
caller, and where From or Privacy says that the caller is not to be shown, nothing overrules it.
A From that cannot be read does not make the call unheard of: it only leaves its caller unknown.
Nor does an `invite` in small letters: RFC 3261 7.1 has methods in capitals, and Kamailio and others
put it through all the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ringfence.adapters.base import Unreadable
from ringfence.adapters.calls import Message, digest
from ringfence.adapters.sip_address import read_address, read_uri
from ringfence.adapters.sip_body import END_OF_HEADERS, FOLD, is_signal, offers_video
from ringfence.adapters.sip_names import HEADERS, leg_of, names_of, request_of

INVITE = "INVITE"
MESSAGE = "MESSAGE"

_METHODS = {b"INVITE": INVITE, b"MESSAGE": MESSAGE}
_SKIPPED = b"\r\n\t \0"
"""In front of a request. RFC 3261 7.5 says only CRLF of it, and switches are not so strict."""
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
    **{name: name for name in HEADERS},
}  # fmt: skip

# RFC 3323 4.2 and RFC 3325 9.3; `session`, `critical`, `none` and `history` hide no caller.
_HIDING = frozenset((b"id", b"user", b"header"))
HIDDEN_HOSTS = frozenset(("anonymous.invalid", "unknown.invalid"))  # RFC 3323 4.1, TS 29.163


@dataclass(slots=True)  # not frozen: that takes its time, and there is one for each datagram
class Request:
    """A request that starts a call or is a message."""

    method: str
    called: str
    """User part of the request URI, or the number of a tel URI; empty when it has none."""
    caller: str | None = field(repr=False)
    """User part of From; empty when it is withheld, None when it cannot be read."""
    call_id: bytes
    names: tuple[bytes, ...]
    """What names the call on this leg and on others."""
    message: Message | None
    """Of a MESSAGE; None for an INVITE."""
    video: bool
    """The offer has a picture."""
    uri: bytes = field(repr=False)
    sender: bytes = field(repr=False)
    """From as written."""
    headers: bytes = field(repr=False)

    def leg(self, addresses: tuple[bytes, ...]) -> int:
        """Between which neighbours it travels; `addresses` are those of its packet."""
        return leg_of(addresses, self.uri)

    def transaction(self) -> int:
        """What stays the same when it is sent again; 0 when that is not known."""
        try:
            tag = read_address(self.sender).parameter(b"tag")
        except Unreadable:
            return 0
        return request_of(self.headers, tag)


def read_request(message: bytes) -> Request:
    """Reads a request that starts something; raises Unreadable for everything else."""
    if message[:1] in _SKIPPED:
        written, message = message, message.lstrip(_SKIPPED)
        if not message and written.strip(b"\r\n"):
            raise Unreadable("sip_unreadable")
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
    if method == MESSAGE and is_signal(
        content_type, b",".join(often.get(b"disposition", ())), body
    ):
        raise Unreadable("not_a_message")
    call_id, sender = once[b"call-id"], once.get(b"from", b"")
    return Request(
        method,
        called=read_uri(words[1]).user,
        caller=shown_caller(sender, often.get(b"privacy", ())),
        call_id=call_id,
        names=names_of(call_id, often),
        message=_message(once, often, body) if method == MESSAGE else None,
        video=method == INVITE and offers_video(content_type, body),
        uri=words[1],
        sender=sender,
        headers=text,
    )


def _read_method(message: bytes) -> str:
    name, space, _ = message[:8].partition(b" ")  # as long as the longest that is known
    known = _METHODS.get(name.upper())
    if known and space:
        return known
    if message[:4].upper() == b"SIP/":
        raise Unreadable("reply")
    raise Unreadable("other_method" if _METHOD.match(message) else "sip_unreadable")


def _read_headers(text: bytes) -> tuple[dict[bytes, bytes], dict[bytes, list[bytes]]]:
    if b"\n " in text or b"\n\t" in text:
        text = FOLD.sub(b" ", text)
    once: dict[bytes, bytes] = {}
    often: dict[bytes, list[bytes]] = {}
    for line in text.split(b"\n"):
        name, _, value = line.partition(b":")
        name = name.rstrip().lower()
        if (known := _ONCE.get(name)) is not None:
            if known in once:
                if known != b"from":
                    raise Unreadable("header_twice")
                value = b""  # of two callers neither is believed
            once[known] = value.strip()
        elif name in _OFTEN:
            often.setdefault(_OFTEN[name], []).append(value)
    return once, often


def _cut(body: bytes, content_length: bytes) -> bytes:
    """The body without what follows it in the datagram (RFC 3261 18.3)."""
    return body[: int(content_length)] if _LENGTH.fullmatch(content_length) else body


def shown_caller(sender: bytes, privacy: Sequence[bytes]) -> str | None:
    if privacy and not _HIDING.isdisjoint(re.split(rb"[;,\s]+", b",".join(privacy).lower())):
        return ""
    try:
        caller = read_uri(read_address(sender).uri)
    except Unreadable:
        return None
    return "" if caller.host in HIDDEN_HOSTS else caller.user


def _message(
    once: Mapping[bytes, bytes], often: Mapping[bytes, Sequence[bytes]], body: bytes
) -> Message:
    cseq = _CSEQ.match(once.get(b"cseq", b""))
    # The nonce names the challenge that is answered; the rest differs even in a retry of its own.
    credentials = b",".join(
        b",".join(_NONCE.findall(value)) or value for value in often.get(b"credentials", ())
    )
    return Message(
        cseq=int(cseq[0]) if cseq else 0,
        body=digest(body),
        credentials=digest(credentials) if credentials else b"",
        dialogue=digest(once[b"call-id"]),
    )
