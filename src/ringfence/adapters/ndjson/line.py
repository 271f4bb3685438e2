"""One line: an attempt as a program wrote it, or until when it heard everything.

Nothing is refused for who called. What is not UTF-8, such as the name of a caller from an old
switch, stays as it is, octet by octet.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ringfence import EventKind
from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.kamailio_acc import user_of
from ringfence.adapters.cdr.record import Record
from ringfence.adapters.ndjson.schema import (
    EVENT_MEMBERS,
    HEARD_MEMBERS,
    KINDS,
    SECONDS_LIMIT,
    TEXT_MAX,
    TIME_FORM,
    TIME_PATTERN,
)
from ringfence.wording.times import parse_time

_TIME = re.compile(TIME_PATTERN)
_KINDS = {name: EventKind[name] for name in KINDS}
_WORD = re.compile(r"[A-Za-z_]{1,20}")
_EVENT = frozenset(EVENT_MEMBERS)
_HEARD = frozenset(HEARD_MEMBERS)


class BadLine(Unreadable):
    """A line that may hide an attempt: the reason to count, and the same in words for its writer.

    No words quote what could be a number. `occurred_at` is 0 where it does not say when.
    """

    def __init__(self, reason: str, words: str, occurred_at: int = 0) -> None:
        super().__init__(reason)
        self.words = words
        self.occurred_at = occurred_at


@dataclass(frozen=True, slots=True)
class Heard:
    """Somebody wrote all that happened in [since, until), unix seconds."""

    since: int
    until: int


class Twice(dict[str, Any]):
    """An object that has a member twice: which of the two counts, everybody decides differently."""


def object_of(octets: bytes) -> object:
    """What a line, or a text of many, holds as JSON; raises BadLine."""
    try:
        return DECODER.decode(octets.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        raise BadLine("json_unreadable", "line: value=not JSON, bound=an object") from None


def read_values(values: object) -> Record | Heard:
    """The attempt, or what was heard; raises BadLine."""
    if not isinstance(values, dict):
        raise BadLine("json_not_an_object", f"line: value={_sort(values)}, bound=an object")
    if isinstance(values, Twice):
        raise BadLine("json_member_twice", "line: value=a member twice, bound=each member once")
    if not _HEARD.isdisjoint(values):
        return _heard(values)
    at = _time(values, "occurred_at")
    try:
        called = _text(values, "called")
        caller = "" if values.get("caller") is None else _text(values, "caller", least=0)
        name = _text(values, "id") if "id" in values else ""
        return Record(
            *(_user(called), _user(caller), at, _kind(values)),
            names=(b"i:" + name.encode("utf-8", "surrogatepass"),) if name else (),
        )
    except BadLine as bad:
        raise BadLine(bad.reason, bad.words, at) from None


def unknown_members(values: object) -> bool:
    """Whether there are members that nobody reads."""
    if not isinstance(values, dict):
        return False
    return not values.keys() <= (_EVENT if _HEARD.isdisjoint(values) else _HEARD)


def _heard(values: dict[str, Any]) -> Heard:
    if "called" in values:
        raise BadLine("heard_with_called", "called: value=given, bound=not beside heard_to")
    return Heard(_time(values, "heard_from"), _time(values, "heard_to"))


def _user(text: str) -> str:
    """The user part of a SIP or tel URI, which some switches write; another text as it is."""
    try:
        return user_of(text)
    except Unreadable:
        return text


def _text(values: dict[str, Any], name: str, least: int = 1) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise _bad(values, name, f"a text of {least} to {TEXT_MAX} characters")
    if not least <= len(value) <= TEXT_MAX:
        bound = f"a text of {least} to {TEXT_MAX} characters"
        raise BadLine(f"{name}_length", f"{name}: value={len(value)} characters, bound={bound}")
    return value


def _time(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    if isinstance(value, str) and _TIME.match(value):
        return parse_time(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 1 <= value < SECONDS_LIMIT:
            return int(value)
        raise BadLine(
            f"{name}_unreadable", f"{name}: value=another number, bound=unix seconds to 2106"
        )
    raise _bad(values, name, TIME_FORM)


def _kind(values: dict[str, Any]) -> EventKind:
    value = values.get("kind")
    kind = _KINDS.get(value) if isinstance(value, str) else None
    if kind is None:
        bound = ", ".join(KINDS)
        if isinstance(value, str) and _WORD.fullmatch(value):
            raise BadLine("kind_unreadable", f"kind: value={value}, bound={bound}")
        raise _bad(values, "kind", bound)
    return kind


def _bad(values: dict[str, Any], name: str, bound: str) -> BadLine:
    if name not in values:
        return BadLine(f"{name}_missing", f"{name}: value=missing, bound={bound}")
    return BadLine(f"{name}_unreadable", f"{name}: value={_sort(values[name])}, bound={bound}")


def _sort(value: object) -> str:
    """What sort of value it is: itself it may be a number of somebody."""
    if isinstance(value, str):
        return f"another text of {len(value)} characters"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, int | float):
        return "a number"
    return "an array" if isinstance(value, list) else "an object"


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    return values if len(values) == len(pairs) else Twice()


def _no_number(name: str) -> float:
    raise ValueError(name)


DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_number)
