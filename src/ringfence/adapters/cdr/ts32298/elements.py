"""A walk over elements of BER (X.690): where each begins, what it is tagged, where it ends.

Nothing is decoded and nothing is entered that nobody asked for. Lengths are believed only as far as
there are octets, and nesting is counted, not followed, so no input makes the walk deep.
"""

from __future__ import annotations

CONSTRUCTED = 0x20
_CLASS = 0xC0
_CONTEXT = 0x80
_NUMBER = 0x1F
_NUMBER_OCTETS_MAX = 3
_LENGTH_OCTETS_MAX = 8
INDEFINITE = -1
HEAD_MAX = 1 + _NUMBER_OCTETS_MAX + 1 + _LENGTH_OCTETS_MAX

Fields = dict[int, tuple[int, int]]
"""Where the content of each element begins and ends, by its context-specific tag; the beginning of
those that have elements in them is negative."""


class Torn(Exception):
    """No whole element begins here, or what is in it does not add up."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        """How far the walk came."""


def head(octets: bytes, at: int, end: int) -> tuple[int, int, int, int]:
    """First octet, number of the tag, and where the content begins and ends, INDEFINITE when it is
    marked there. The end may lie behind `end`. Raises Torn.
    """
    began = at
    if at + 1 >= end:
        raise Torn(began)
    first = octets[at]
    number = first & _NUMBER
    at += 1
    if number == _NUMBER:
        number = 0
        for _ in range(_NUMBER_OCTETS_MAX):
            if at + 1 >= end:
                raise Torn(began)
            octet = octets[at]
            at += 1
            number = number << 7 | octet & 0x7F
            if octet < 0x80:
                break
        else:
            raise Torn(began)
    length = octets[at]
    at += 1
    if length < 0x80:
        return first, number, at, at + length
    if length == 0x80:
        if not first & CONSTRUCTED:
            raise Torn(began)
        return first, number, at, INDEFINITE
    count = length - 0x80
    if count > _LENGTH_OCTETS_MAX or at + count > end:
        raise Torn(began)
    return first, number, at + count, at + count + int.from_bytes(octets[at : at + count], "big")


def end_of(octets: bytes, at: int, end: int) -> int:
    """Where a content of indefinite length that begins here ends, its mark not in it."""
    depth = 1
    while True:
        if octets[at : at + 2] == b"\0\0" and at + 2 <= end:
            depth -= 1
            if not depth:
                return at
            at += 2
            continue
        _, _, begin, stop = head(octets, at, end)
        if stop == INDEFINITE:
            depth += 1
            at = begin
        elif stop > end:
            raise Torn(at)
        else:
            at = stop


def fields_of(octets: bytes, at: int, stop: int, end: int) -> tuple[Fields, int]:
    """The elements of a content, and where it ends. Raises Torn, also where one comes twice, which
    no record has, or where one looks like another record, which the end of this one is lost before.
    """
    fields: Fields = {}
    limit = end if stop == INDEFINITE else stop
    while at < limit:
        first = octets[at]
        if not first and stop == INDEFINITE and octets[at : at + 2] == b"\0\0":
            return fields, at
        # What nearly all elements are; the rest of the loop is for the others.
        if first & 0xE0 == _CONTEXT and first != 0x9F and at + 1 < limit:
            begin = at + 2
            finish = begin + octets[at + 1]
            if finish < begin + 0x80:
                number = first & _NUMBER
                if finish > limit or number in fields:
                    raise Torn(at)
                fields[number] = begin, finish
                at = finish
                continue
        first, number, begin, finish = head(octets, at, limit)
        if first & CONSTRUCTED and begins_record(octets, number, begin, finish):
            raise Torn(at)
        following = finish
        if finish == INDEFINITE:
            finish = end_of(octets, begin, limit)
            following = finish + 2
        if following > limit:
            raise Torn(at)
        if first & _CLASS == _CONTEXT:
            if number in fields:
                raise Torn(at)
            fields[number] = -begin if first & CONSTRUCTED else begin, finish
        at = following
    if stop == INDEFINITE:
        raise Torn(at)
    return fields, at


RECORD_MIN = 12
"""No record has less in it; an element with one or two small ones has."""
_TYPES = {16: 17, 17: 23, 18: 24, 19: 25, 20: 87, 21: 88, 22: 99}
"""Tags of records of circuits whose recordType is not the same number."""
TAGS = {kind: tag for tag, kind in _TYPES.items()}


def begins_record(octets: bytes, number: int, begin: int, stop: int) -> bool:
    """Whether a content is one of a record with this tag: they begin with their type."""
    if octets[begin : begin + 2] != b"\x80\x01" or begin + 2 >= len(octets):
        return False
    if stop - begin < RECORD_MIN and stop != INDEFINITE:
        return False
    kind = octets[begin + 2]
    return kind == number or kind == _TYPES.get(number)


def find(octets: bytes, fields: Fields, path: tuple[int, ...]) -> tuple[int, int] | None:
    """Where the content at the end of a path of tags is, negative as in Fields."""
    place = fields.get(path[0])
    for number in path[1:]:
        if place is None or place[0] >= 0:
            return None
        place = _first(octets, -place[0], place[1], number)
    return place


def _first(octets: bytes, at: int, stop: int, wanted: int) -> tuple[int, int] | None:
    """The first element of a number; elements of a list are looked through as if they were one."""
    while at < stop:
        try:
            first, number, begin, finish = head(octets, at, stop)
            following = finish
            if finish == INDEFINITE:
                finish = end_of(octets, begin, stop)
                following = finish + 2
        except Torn:
            return None
        if following > stop:
            return None
        if first & _CLASS == _CONTEXT and number == wanted:
            return (-begin if first & CONSTRUCTED else begin), finish
        if first & (_CLASS | CONSTRUCTED) == CONSTRUCTED:  # a SEQUENCE or SET in a list
            at = begin
            continue
        at = following
    return None


def content(octets: bytes, place: tuple[int, int]) -> bytes:
    """The octets of a content; those of its parts where it was written in parts (X.690 8.7.3)."""
    begin, stop = place
    if begin >= 0:
        return octets[begin:stop]
    parts = bytearray()
    at = -begin
    while at < stop:
        if octets[at : at + 2] == b"\0\0":
            at += 2
            continue
        try:
            first, _, begin, finish = head(octets, at, stop)
        except Torn:
            return b""
        if first & CONSTRUCTED:
            at = begin
        elif finish > stop:
            return b""
        else:
            parts += octets[begin:finish]
            at = finish
    return bytes(parts)
