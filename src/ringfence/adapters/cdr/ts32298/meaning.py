"""What a record tells of an attempt, by the map of tags."""

from __future__ import annotations

from collections.abc import Callable

from ringfence import EventKind
from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.record import NoAttempt, Record
from ringfence.adapters.cdr.ts32298.elements import Fields, content, find
from ringfence.adapters.cdr.ts32298.tags import Number, Path, Shape, TagMap
from ringfence.adapters.cdr.ts32298.values import FORMS, is_withheld, time_of

_TYPE = 0
_TIMESTAMP_OCTETS = 9
_NAME = b"t:"
_EMERGENCY = 0x12
_DELIVERY_REPORT = 1
_METHODS = {b"INVITE": EventKind.CALL, b"MESSAGE": None}

ReadRecord = Callable[[int, bytes, Fields], Record]
"""Reads a record from its tag, its octets and where its elements are. Raises Unreadable for one
that may hide an attempt, NoAttempt for one that hides none.
"""


def record_reader(tags: TagMap) -> ReadRecord:
    """Reads records as the map says."""
    attempts, others = tags.attempts, tags.others

    def read(tag: int, octets: bytes, fields: Fields) -> Record:
        shape = attempts.get(tag)
        kind = fields.get(_TYPE)
        if kind is not None and kind[1] - kind[0] == _TIMESTAMP_OCTETS:
            raise NoAttempt("other_record")  # header or trailer of a CallEventDataFile
        if shape is None:
            raise NoAttempt("other_record") if tag in others else Unreadable("record_unknown")
        return _attempt(tag, shape, octets, fields)

    return read


def _attempt(tag: int, shape: Shape, octets: bytes, fields: Fields) -> Record:
    kind = shape.kind
    if shape.method and (method := _octets(octets, fields, shape.method)):
        if method not in _METHODS:
            raise NoAttempt("other_method")
        kind = _METHODS[method]
    if shape.report and _integer(octets, fields, shape.report) == _DELIVERY_REPORT:
        raise NoAttempt("receipt")
    service = _octets(octets, fields, shape.teleservice)[:1] if shape.teleservice else b""
    if service and service[0] >> 4 == 2:
        kind = None
    called = _called(shape, octets, fields)
    if called is None:
        if service and service[0] == _EMERGENCY:
            raise NoAttempt("called_not_a_number")
        raise Unreadable("record_without_called")
    for path in shape.time:
        if written := _octets(octets, fields, path):
            at = time_of(written)
            break
    else:
        raise Unreadable("record_without_time")
    if shape.sequence and _integer(octets, fields, shape.sequence) > 1:
        raise NoAttempt("repeat")
    names = tuple(filter(None, [_name(octets, fields, paths) for paths in shape.names]))
    return Record(
        called,
        None if shape.caller is None else _caller(shape.caller, octets, fields),
        at,
        kind,
        names,
        leg=tag,
        hint=_name(octets, fields, shape.hint) if shape.hint else b"",
    )


def _called(shape: Shape, octets: bytes, fields: Fields) -> str | None:
    for number in shape.called:
        if written := _octets(octets, fields, number.path):
            text = FORMS[number.form](written)
            if text is None:
                return ""  # of another plan, such as a private one
            if text:
                return text
    return None


def _caller(places: tuple[Number, ...], octets: bytes, fields: Fields) -> str:
    for number in places:
        written = _octets(octets, fields, number.path)
        if not written:
            continue
        if number.form == "bcd" and is_withheld(written):
            return ""
        try:
            text = FORMS[number.form](written)
        except Unreadable:
            return ""
        # Of another plan: still somebody, and the same one the next time.
        return f"bcd-{written.hex()}" if text is None else text
    return ""


def _octets(octets: bytes, fields: Fields, path: Path) -> bytes:
    place = fields.get(path[0])
    if place is None:
        return b""
    if place[0] > 0:  # nearly all
        return octets[place[0] : place[1]] if len(path) == 1 else b""
    place = find(octets, fields, path)
    return b"" if place is None else content(octets, place)


def _integer(octets: bytes, fields: Fields, path: Path) -> int:
    return int.from_bytes(_octets(octets, fields, path)[:8], "big")


def _name(octets: bytes, fields: Fields, paths: tuple[Path, ...]) -> bytes:
    name = _NAME
    for path in paths:
        part = _octets(octets, fields, path)
        if not part:
            return b""
        name += part + b"\0"
    return name
