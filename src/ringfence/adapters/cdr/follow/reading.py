"""Reads on in a file, piece by piece, each of whole records."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

from ringfence.adapters.cdr.follow.listing import Key
from ringfence.adapters.cdr.follow.whole import Shape
from ringfence.adapters.cdr.record import RECORD_MAX
from ringfence.adapters.cdr.unpacked import unpacked

PIECE = 1 << 16
RECORD_OCTETS_MAX = 1 << 21
"""What has no end by then is no record, and is read as it is."""


class Moved(OSError):
    """Another file has the name now."""


class Piece(NamedTuple):
    """Whole records."""

    octets: bytes
    header: bytes
    end: int
    """Where they end in the file, in octets unpacked."""

    @property
    def file(self) -> IO[bytes]:
        """As a file of its own, for the reader of the format."""
        return io.BytesIO(self.header + self.octets)


@contextmanager
def opened(path: str | os.PathLike[str], key: Key, held: int = -1) -> Iterator[IO[bytes]]:
    """What is in a file, unpacked. Raises OSError, Moved, and TableError for what is damaged."""
    with open(os.dup(held) if held >= 0 else path, "rb", buffering=0) as file:
        facts = os.fstat(file.fileno())
        if (facts.st_dev, facts.st_ino) != key:
            raise Moved
        file.seek(0)
        with unpacked(file) as octets:
            yield octets


class Reading:
    """The records from `offset` on, up to `end` if there is one."""

    def __init__(self, file: IO[bytes], shape: Shape, offset: int, end: int | None = None) -> None:
        self._file = file
        self._whole = shape.whole
        if self._whole is None:
            offset = 0
        self._header = b""
        if shape.headed and offset:
            file.seek(0)
            while not self._header.strip() and (line := file.readline(RECORD_MAX)):
                self._header = line
        self._first_line_wanted = shape.headed and not offset
        file.seek(offset)
        self._offset = offset
        self._end = end
        self.rest = b""
        """What is not whole as yet."""

    def next(self) -> Piece | None:
        """The next records; None = there are no more. Raises TableError."""
        if self._whole is None:
            self.rest += b"".join(iter(lambda: self._file.read(PIECE), b""))
            return None
        while more := self._file.read(self._room()):
            self.rest += more
            count = self._whole(self.rest)
            if not count and len(self.rest) >= RECORD_OCTETS_MAX:
                count = len(self.rest)
            if count:
                return self.take(count)
        return None

    def take(self, count: int) -> Piece:
        """So many octets of what is there, whole or not."""
        octets, self.rest = self.rest[:count], self.rest[count:]
        self._offset += count
        piece = Piece(octets, self._header, self._offset)
        if self._first_line_wanted:
            begun = octets.lstrip()
            self._header = begun[: begun.find(b"\n") + 1]
            self._first_line_wanted = not begun
        return piece

    def _room(self) -> int:
        if self._end is None:
            return PIECE
        return max(min(PIECE, self._end - self._offset - len(self.rest)), 0)
