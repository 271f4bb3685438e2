"""What stands around records in files: headers of TS 32.297, and where a next record may begin."""

from __future__ import annotations

import re
from typing import NamedTuple

from ringfence.adapters.cdr.ts32298.elements import (
    INDEFINITE,
    Torn,
    begins_record,
    head,
)

FILE_HEADER_MIN = 50
FILE_HEADER_MAX = 1 << 16
_CDR_COUNT, _LOST = slice(18, 22), 47
_COUNT_UNKNOWN = (1 << 32) - 1
_RELEASE_EXTENDED = 7
_BER = 1
_CONTEXT = 0x80
CONTEXT_CONSTRUCTED = 0xA0
SEQUENCES = (0x30, 0x31)
CDR_HEADER_MAX = 5

# A tag, a length, and a recordType of one octet, with which each record begins.
_BEGINNING = re.compile(
    rb"(?:[\xa0-\xbe]|\xbf[\x1f-\x7f])"
    rb"(?:[\x0c-\x80]|\x81.|\x82..|\x83...|\x84....)"
    rb"\x80\x01[\0-\x7f]",
    re.DOTALL,
)
BEGINNING_MAX = 10


class FileHeader(NamedTuple):
    """What TS 32.297 has in front of a file's records."""

    size: int
    cdr_count: int | None
    lost: bool
    """Whether the node says that records are missing."""


def file_header(octets: bytes) -> FileHeader | None:
    """The header that a file begins with, if it does."""
    if len(octets) < FILE_HEADER_MIN:
        return None
    length, size = (int.from_bytes(octets[at : at + 4], "big") for at in (0, 4))
    if not FILE_HEADER_MIN <= size <= min(FILE_HEADER_MAX, len(octets)):
        return None
    if not cdr_header(octets, size, len(octets)) and (length != size or len(octets) != size):
        return None
    count = int.from_bytes(octets[_CDR_COUNT], "big")
    return FileHeader(size, None if count == _COUNT_UNKNOWN else count, octets[_LOST] != 0)


def cdr_header(octets: bytes, at: int, end: int) -> int:
    """The size of the header of a record that stands here; 0 when none does."""
    if at < 0 or at + 4 > end:
        return 0
    length = octets[at] << 8 | octets[at + 1]
    size = 5 if octets[at + 2] >> 5 == _RELEASE_EXTENDED else 4
    if octets[at + 3] >> 5 != _BER or not length:
        return 0
    begin = at + size
    try:
        first, _, inside, stop = head(octets, begin, end)
    except Torn:
        return 0
    if first & 0xE0 != CONTEXT_CONSTRUCTED and first not in SEQUENCES:
        return 0
    if inside >= end or (octets[inside] & 0xC0 != _CONTEXT and octets[inside] not in SEQUENCES):
        return 0
    if stop == INDEFINITE:
        ends = begin + length <= end and octets[begin + length - 2 : begin + length] == b"\0\0"
    else:
        ends = stop == begin + length
    return size if ends else 0


def next_beginning(octets: bytes, at: int, before: int | None) -> int:
    """Where the next record seems to begin, with its header, in front of a place; -1 = nowhere."""
    end = len(octets)
    before = end if before is None else before
    for found in _BEGINNING.finditer(octets, at, min(end, before + BEGINNING_MAX)):
        begins = found.start()
        if begins >= before:
            break
        _, number, inside, stop = head(octets, begins, end)
        if begins_record(octets, number, inside, stop):
            for size in (4, CDR_HEADER_MAX):
                if begins - size >= at and cdr_header(octets, begins - size, end) == size:
                    return begins - size
            return begins
    return -1
