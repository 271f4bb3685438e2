"""Addresses of SIP headers and their URIs (RFC 3261 section 25.1, RFC 3966).

Everything is octets until it is a user part: headers need not be UTF-8. A display name is skipped
as the quoted string that it is, before anything looks for a URI, so that it can hold none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from ringfence.adapters.base import Unreadable

_QUOTED = rb'"(?:[^"\\]|\\.)*+"'
# display name, <URI>, header parameters; possessive, so that no input makes it search twice
_NAME_ADDR = re.compile(rb"\s*+(?:" + _QUOTED + rb'|[^"<]++)*+<([^<>"]*+)>\s*+(;.*|)\Z', re.DOTALL)
_ADDR_SPEC = re.compile(rb'\s*+((?:[^<>"\s@]*+@)?+[^<>"\s;@]++)\s*+(;.*|)\Z', re.DOTALL)
_HOST_END = re.compile(rb"[:;?]")
_PARAMETER = re.compile(rb";\s*+([^=;\s]++)(?:\s*+=\s*+(" + _QUOTED + rb'|[^;"\s]*+))?+', re.DOTALL)


@dataclass(slots=True)  # not frozen: that takes its time
class Uri:
    """A sip, sips or tel URI; other schemes are not read."""

    user: str = field(repr=False)
    """The user part without escapes and password, with its own parameters; the whole number of a
    tel URI. Empty when there is none."""
    host: str
    """In small letters, without the port and the end of brackets; empty in a tel URI."""


@dataclass(slots=True)  # not frozen: that takes its time
class Address:
    """What From, To and their like hold."""

    uri: bytes = field(repr=False)
    parameters: bytes
    """As written, beginning with `;`, or empty."""

    def parameter(self, name: bytes) -> bytes:
        """The first value of a parameter, without quotes; empty when it has none."""
        if not self.parameters:
            return b""
        for found in _PARAMETER.finditer(self.parameters):
            if found[1].lower() == name:
                return (found[2] or b"").strip(b'"')
        return b""


def read_address(value: bytes) -> Address:
    """Reads `name-addr` or `addr-spec` with parameters; exactly one, or it is Unreadable."""
    found = _NAME_ADDR.match(value) or _ADDR_SPEC.match(value)
    if not found:
        raise Unreadable("address_unreadable")
    return Address(found[1].strip(), found[2])


def read_uri(octets: bytes) -> Uri:
    """Reads a URI as it stands in the request line or in angle brackets."""
    scheme, colon, rest = octets.partition(b":")
    scheme = scheme.lower()
    if not colon or scheme not in (b"sip", b"sips", b"tel"):
        raise Unreadable("uri_unreadable")
    if scheme == b"tel":
        return Uri(text_of(rest), "")
    user, at, host = rest.partition(b"@")
    if not at:
        user, host = b"", rest
    elif b"@" in host:
        # Whose user part would it be? Switches differ, so this could hide another number.
        raise Unreadable("uri_unreadable")
    name = host.partition(b"]")[0] if host[:1] == b"[" else _HOST_END.split(host, 1)[0]
    return Uri(text_of(user.partition(b":")[0]), name.lower().decode("latin-1"))


def text_of(octets: bytes, *, escapes: bool = True) -> str:
    """Octets as text, %-escapes resolved; what is not UTF-8 still becomes one text each."""
    if escapes and b"%" in octets:
        octets = unquote_to_bytes(octets)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
