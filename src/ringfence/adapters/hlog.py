"""Log lines that a switch's script sends over HEP in place of a SIP message (protocol type 100).

The line is a JSON object with at least `ev` (the method), `called` and `caller`, the Call-ID comes
beside it in chunk 17. In a Kamailio script that is hlog("$ci", ...) of a line with $rm, $rU, $fU.

The script puts text that a caller chose between its quotes, so a line in which a name occurs twice
is not read: the second could be the caller's own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ringfence.adapters.base import Unreadable
from ringfence.adapters.sip import HIDDEN_HOSTS, INVITE, MESSAGE
from ringfence.adapters.sip_address import read_uri, text_of

_METHODS = frozenset((INVITE, MESSAGE))
_SCHEMES = ("sip:", "sips:", "tel:")


@dataclass(frozen=True, slots=True)
class LogLine:
    """An INVITE or MESSAGE as a script reports it."""

    method: str
    called: str
    caller: str | None = field(repr=False)
    """Empty when it is withheld, None when it cannot be read."""


def read_log_line(payload: bytes) -> LogLine:
    """Reads a log line about an INVITE or MESSAGE; raises Unreadable for any other."""
    return line_of(read_object(payload))


def read_object(payload: bytes) -> dict[str, Any]:
    """Reads a JSON object in which every name occurs once; raises Unreadable."""
    try:
        values = json.loads(text_of(payload, escapes=False), object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        raise Unreadable("log_unreadable") from None
    if not isinstance(values, dict):
        raise Unreadable("log_unreadable")
    return values


def line_of(values: dict[str, Any]) -> LogLine:
    """The values of a line about an INVITE or MESSAGE; raises Unreadable for any other."""
    if "ev" not in values:
        raise Unreadable("log_unreadable")
    written = values["ev"]
    if not isinstance(written, str):
        raise Unreadable("log_unreadable")
    method = written.strip().upper()  # $rm is as the caller wrote it: see `sip.py`
    if method not in _METHODS:
        raise Unreadable("other_method")
    return LogLine(method, _user(values.get("called", "")), _caller(values.get("caller")))


def _caller(value: Any) -> str | None:
    try:
        if isinstance(value, str) and value.lower().startswith(_SCHEMES):
            uri = read_uri(value.encode("utf-8", "replace"))
            return "" if uri.host in HIDDEN_HOSTS else uri.user
        return "" if value is None else _user(value)
    except Unreadable:
        return None


def _user(value: Any) -> str:
    """A number or name, written as a text, as digits, or as a URI."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        value = str(value)
    if not isinstance(value, str):
        raise Unreadable("log_unreadable")
    octets = value.encode("utf-8", "replace")  # "replace": JSON can name half a character
    if value.lower().startswith(_SCHEMES):
        return read_uri(octets).user
    return text_of(octets)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    line = dict(pairs)
    if len(line) != len(pairs):
        raise ValueError("a name occurs twice")
    return line
