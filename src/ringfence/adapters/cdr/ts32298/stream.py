"""Finds the records in a file: between padding, behind headers, inside of what wraps them.

A record that is torn or makes no sense ends where the next one seems to begin, at the latest where
it says itself, and costs itself alone. What wraps records is not kept in mind: its head is skipped,
and all that is in it is read. Looking for beginnings in vain is bounded: after so much of it, what
makes no sense is skipped as far as the walk through it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, NamedTuple

from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.record import NoAttempt, Record
from ringfence.adapters.cdr.ts32298.elements import (
    CONSTRUCTED,
    HEAD_MAX,
    INDEFINITE,
    TAGS,
    Fields,
    Torn,
    begins_record,
    end_of,
    fields_of,
    head,
)
from ringfence.adapters.cdr.ts32298.framing import (
    BEGINNING_MAX,
    CDR_HEADER_MAX,
    CONTEXT_CONSTRUCTED,
    FILE_HEADER_MAX,
    SEQUENCES,
    FileHeader,
    cdr_header,
    file_header,
    next_beginning,
)
from ringfence.adapters.cdr.ts32298.meaning import ReadRecord

RECORD_MAX = 1 << 16
_PIECE = 1 << 18
_NEEDED = RECORD_MAX + FILE_HEADER_MAX + HEAD_MAX + CDR_HEADER_MAX
_VAIN_MAX = 1 << 20
"""Octets that may be walked in vain, and so many times the octets of the file besides."""
_VAIN_TIMES = 8
_PADDING = re.compile(rb"[\0\xff]+")


class Found(NamedTuple):
    """A record, or octets that are none."""

    at: int
    """Which octet of the file it begins with."""
    octets: bytes
    """Its own, of very many the first."""
    what: Record | Unreadable | NoAttempt


class RecordFinder:
    """Finds the records of one file."""

    def __init__(
        self, file: IO[bytes], read: ReadRecord, *, file_header: int = 0, record_header: int = 0
    ) -> None:
        self._file = file
        self._read = read
        self._file_header = file_header
        self._front = record_header
        self._held = b""
        self._at = 0
        """Where in what is held the next record begins."""
        self._base = 0
        """How many octets were there before it."""
        self._is_whole = False
        """Whether all of the file is held."""
        self._own_end = -1
        """Where the record says that it ends; -1 where that is not believed."""
        self._known = -1
        """Where one is known to begin."""
        self.in_vain = 0
        """Octets that were walked and made no record."""

    def __iter__(self) -> Iterator[Found]:
        """All records in their order. Raises what reading the file raises."""
        self._fill()
        header = file_header(self._held)
        self._at = min(self._file_header, len(self._held))
        count = 0
        if header is not None:
            yield from self._told(header)
            self._at = header.size
        begun = self._held[: header.size] if header is not None else b""
        while True:
            if len(self._held) - self._at < _NEEDED:
                self._fill()
            if self._at >= len(self._held):
                break
            # After most records the next one is known to begin at once.
            if self._at != self._known and self._skip():
                continue
            count += 1
            yield self._next()
        if header is not None and header.cdr_count is not None and count < header.cdr_count:
            yield Found(0, begun, Unreadable("records_missing"))

    def _told(self, header: FileHeader) -> Iterator[Found]:
        if header.lost:
            yield Found(0, self._held[: header.size], Unreadable("records_lost"))

    def _fill(self) -> None:
        """Holds enough for the longest record and what stands around it, or all that is left."""
        while not self._is_whole and len(self._held) - self._at < _NEEDED:
            self._more()

    def _more(self) -> None:
        more = self._file.read(_PIECE)
        self._is_whole = not more
        keep = min(self._at, len(self._held))
        self._base += keep
        self._held = self._held[keep:] + more
        self._at -= keep
        self._known -= keep

    def _skip(self) -> bool:
        """Goes over padding, a header, or the head of what wraps records, if that is here."""
        held, at, end = self._held, self._at, len(self._held)
        if size := cdr_header(held, at, end):
            self._at = at + size
        elif self._front and self._begins(at + self._front):
            self._at = at + self._front
        elif padding := _PADDING.match(held, at):
            self._at = self._behind(at, padding.end())
        else:
            try:
                first, _, begin, stop = head(held, at, end)
            except Torn:
                return False
            if first in SEQUENCES:
                wraps = held[begin : begin + 2] != b"\x80\x01"
            else:
                wraps = first & CONSTRUCTED != 0 and self._wraps(begin, stop)
            if not wraps:
                return False
            self._at = begin
        return True

    def _behind(self, at: int, stop: int) -> int:
        """Where what follows padding begins; a header may begin with the same octets."""
        held, end = self._held, len(self._held)
        for begin in range(max(at, stop - CDR_HEADER_MAX + 1), stop):
            if size := cdr_header(held, begin, end):
                return begin + size
        for begin in range(max(at, stop - self._front), stop):
            if self._begins(begin + self._front):
                return begin + self._front
        is_cut = stop == end and not self._is_whole
        return max(at + 1, stop - max(CDR_HEADER_MAX, self._front)) if is_cut else stop

    def _wraps(self, begin: int, stop: int) -> bool:
        """Whether all elements of a content have elements in them, as lists of records do: records
        have plain ones too. Of a long one, and behind one whose end is marked, that is believed.
        """
        held, at = self._held, begin
        limit = min(len(held), begin + RECORD_MAX)
        while at < limit and at != stop:
            if stop == INDEFINITE and held[at : at + 2] == b"\0\0":
                return at > begin
            try:
                first, _, inside, at = head(held, at, len(held))
            except Torn:
                return False
            if not first & CONSTRUCTED:
                return False
            if at == INDEFINITE:
                if self._is_vain:
                    return True
                try:
                    at = end_of(held, inside, limit) + 2
                except Torn as torn:
                    self.in_vain += torn.at - inside
                    return True
        return at == stop > begin or not begin <= stop <= begin + RECORD_MAX

    def _begins(self, at: int) -> bool:
        """Whether a record begins here, without anything around it."""
        try:
            _, number, begin, stop = head(self._held, at, len(self._held))
        except Torn:
            return False
        return begins_record(self._held, number, begin, stop)

    @property
    def _is_vain(self) -> bool:
        """Whether too much was walked in vain."""
        return self.in_vain > _VAIN_MAX + _VAIN_TIMES * (self._base + self._at)

    def _next(self) -> Found:
        """The record, or what is none, that is here; goes on behind it."""
        at, self._own_end = self._at, -1
        walked = at
        what: Record | Unreadable | NoAttempt
        try:
            tag, fields = self._walked(at)
            walked = self._own_end
            what = self._read(tag, self._held, fields)
        except Torn as torn:
            what, walked = Unreadable("record_torn"), torn.at
        except Unreadable as unreadable:
            what = unreadable
        except NoAttempt as none:
            what = none
        if isinstance(what, Unreadable):
            return self._refused(what, self._own_end, walked)
        self._at = self._own_end
        return Found(self._base + at, self._held[at : self._at], what)

    def _walked(self, at: int) -> tuple[int, Fields]:
        """Tag and elements of the record that is here; notes where it ends. Raises Torn."""
        held, end = self._held, len(self._held)
        first, tag, begin, stop = head(held, at, end)
        if first & 0xE0 != CONTEXT_CONSTRUCTED and first not in SEQUENCES:
            raise Torn(at)
        if stop - begin > RECORD_MAX:
            raise Unreadable("record_too_long")
        if stop > end:
            raise Torn(at)
        self._own_end = stop
        marks = 2 if stop == INDEFINITE else 0
        if first not in SEQUENCES and held[begin : begin + 1] in (b"0", b"1"):
            # The record stands as a whole in its tag.
            _, _, begin, stop = head(held, begin, end)
            marks += 2 if stop == INDEFINITE else 0
            if stop > end:
                raise Torn(at)
        fields, finish = fields_of(held, begin, stop, min(end, begin + RECORD_MAX))
        ends = finish + marks
        if self._own_end not in (INDEFINITE, ends) or held[finish:ends].strip(b"\0"):
            raise Torn(at)
        self._own_end = ends
        if self._begins(ends):
            self._known = ends
        elif next_beginning(held, at + 1, ends) >= 0:
            raise Torn(at)  # it adds up with octets of the next one
        if first in SEQUENCES:
            kind = held[begin + 2]
            tag = TAGS.get(kind, kind)
        return tag, fields

    def _refused(self, why: Unreadable, own_end: int, walked: int) -> Found:
        """Goes on where the next record seems to begin."""
        at, began, first = self._at, self._base + self._at, b""
        self.in_vain += max(walked - at, 0)
        if self._is_vain:
            self._at = max(own_end, walked, at + 1)
        else:
            self._at = at + 1
            following = next_beginning(self._held, self._at, own_end if own_end > at else None)
            if following >= 0:
                self._at = following
            elif own_end > at:
                self._at = own_end
            else:
                first = self._held[at : at + RECORD_MAX]
                self._search()
        octets = first or self._held[at : min(self._at, at + RECORD_MAX)]
        return Found(began, octets[: self._base + self._at - began], why)

    def _search(self) -> None:
        """Goes on where the next record seems to begin, wherever that is."""
        while not self._is_whole:
            self._at = max(self._at, len(self._held) - BEGINNING_MAX - CDR_HEADER_MAX)
            self._more()
            following = next_beginning(self._held, self._at, None)
            if following >= 0:
                self._at = following
                return
        self._at = len(self._held)
