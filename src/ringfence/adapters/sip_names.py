"""What names a call wherever it is seen, and not on one of its legs only.

A back-to-back agent gives each leg a Call-ID of its own. It passes on Session-ID (RFC 7989, and
RFC 7329 before it) and the charging vector's icid-value (RFC 7315), or names the other leg in
`X-CID`, or puts `_b2b-1` and the like behind the other leg's Call-ID.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

# Each kind begins differently, so that no kind is taken for another.
CALL_ID = b"c:"
_SESSION = b"s:"
_CHARGING = b"i:"

_SUFFIX = re.compile(rb"[_-](?:b2b(?:ua)?|pbx|xfer)[_-]?[0-9]{0,6}\Z")
_SUFFIX_MAX = 13
"""Octets of the longest."""
_UUID = re.compile(rb"[0-9a-f]{32}")
_NIL = b"0" * 32
_ICID = re.compile(rb'\bicid-value\s*+=\s*+(?:"([^"]*+)"|([^;,\s"]++))', re.IGNORECASE)
_BRANCH = re.compile(rb";\s*+branch\s*+=\s*+(z9hG4bK[^;,\s]*+)", re.IGNORECASE)
_VIA = re.compile(rb"^(?:via|v)[ \t]*+:([^,\n]*+)", re.IGNORECASE | re.MULTILINE)

HEADERS = (b"session-id", b"p-charging-vector", b"x-cid")


def names_of(call_id: bytes, headers: Mapping[bytes, Sequence[bytes]]) -> tuple[bytes, ...]:
    """The names of a call, that of its own leg first."""
    names = [CALL_ID + call_id]
    if b"b2b" in call_id or b"pbx" in call_id or b"xfer" in call_id:
        stem = b"@".join(map(_without_suffixes, call_id.split(b"@")))
        if stem and stem != call_id:
            names.append(CALL_ID + stem)
    if headers:
        names += (CALL_ID + value for value in map(bytes.strip, headers.get(b"x-cid", ())) if value)
        for value in headers.get(b"session-id", ()):
            uuid = value.partition(b";")[0].strip().lower().replace(b"-", b"")
            if _UUID.fullmatch(uuid) and uuid != _NIL:
                names.append(_SESSION + uuid)
        for value in headers.get(b"p-charging-vector", ()):
            found = _ICID.search(value)
            if found and (icid := found[1] or found[2]):
                names.append(_CHARGING + icid)
    return tuple(names)


def _without_suffixes(text: bytes) -> bytes:
    """Looked for from the end, as a caller can write thousands of them, with something behind."""
    end = len(text)
    while found := _SUFFIX.search(text, max(end - _SUFFIX_MAX, 0), end):
        end = found.start()
    return text[:end]


def leg_of(addresses: tuple[bytes, ...], uri: bytes) -> int:
    """A fingerprint of the neighbours between whom a request travels: what an agent says of its
    packet, and where the request goes. Not of From, whose host goes with a withheld number. It is
    the same in processes that share their PYTHONHASHSEED, as octets and what is made of them are.
    """
    return hash((addresses, uri.partition(b"@")[2]))


def request_of(headers: bytes, tag: bytes) -> int:
    """A fingerprint of what RFC 3261 17.2.3 tells requests by, the topmost Via; 0 when its branch
    does not.
    """
    via = _VIA.search(headers)
    branch = _BRANCH.search(via[1]) if via else None
    if not via or not branch or not tag:
        return 0
    return hash((branch[1], via[1].partition(b";")[0].strip(), tag))
