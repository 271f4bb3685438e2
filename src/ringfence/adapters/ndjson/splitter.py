"""Pieces of a stream until they are lines. One that is too long costs itself alone."""

from __future__ import annotations

from collections.abc import Iterator

from ringfence.adapters.ndjson.schema import LINE_MAX

_MARK = b"\xef\xbb\xbf"


class Splitter:
    """Holds an unfinished line, and of one that is too long nothing."""

    def __init__(self) -> None:
        self._held = b""
        self._first = True
        self._skips = False

    def feed(self, octets: bytes) -> Iterator[bytes | None]:
        """The lines that end in `octets`, none of them blank; None = one that was too long."""
        *ended, rest = octets.split(b"\n")
        for piece in ended:
            yield from self._end(piece)
        self._hold(rest)

    def finish(self) -> Iterator[bytes | None]:
        """The last line, where none of the others ends it."""
        yield from self._end(b"")

    def _end(self, piece: bytes) -> Iterator[bytes | None]:
        self._hold(piece)
        line, skipped = self._held, self._skips
        self._held, self._skips = b"", False
        if self._first:
            self._first = False
            line = line.removeprefix(_MARK)
        if skipped:
            yield None
        elif line.strip():
            yield line

    def _hold(self, piece: bytes) -> None:
        if self._skips or len(self._held) + len(piece) >= LINE_MAX:
            self._held, self._skips = b"", True
        else:
            self._held += piece
