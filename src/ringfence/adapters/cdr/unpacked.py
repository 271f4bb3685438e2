"""Files as switches and log rotation leave them: plain, or packed by gzip, bzip2 or xz."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from ringfence.wording.tables import TableError

_PIECE = 1 << 18


@contextmanager
def unpacked(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """What is in it; the file is left open. Raises TableError where it is damaged or cut off."""
    stream = io.BufferedReader(cast(io.RawIOBase, file), _PIECE)
    opened: IO[bytes] = stream
    try:
        with in_words():
            head = stream.peek(6)
            if head.startswith(b"\x1f\x8b"):
                opened = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
            elif head.startswith(b"BZh"):
                opened = _of_streams(stream, bz2.BZ2Decompressor)
            elif head.startswith(b"\xfd7zXZ\x00"):
                opened = _of_streams(stream, lzma.LZMADecompressor)
            yield opened
    finally:
        stream.detach()


def _of_streams(file: IO[bytes], new: Callable[[], Any]) -> IO[bytes]:
    return io.BufferedReader(_Streams(file, new), _PIECE)


class _Streams(io.RawIOBase):
    """One packed stream behind the other, as parallel packers write them.

    Python's own files take a stream that is damaged, and all behind it, for the end.
    """

    def __init__(self, file: IO[bytes], new: Callable[[], Any]) -> None:
        self._file = file
        self._new = new
        self._unpacker, self._ahead, self._at = new(), b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Reads on to there, from the beginning if it lies in front."""
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("only from the beginning")
        if offset < self._at:
            self._file.seek(0)
            self._unpacker, self._ahead, self._at = self._new(), b"", 0
        while self._at < offset and self.read(min(offset - self._at, _PIECE)):
            pass
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        octets = b""
        while not octets:
            if self._unpacker.eof and not self._begin_next():
                return 0
            packed = b""
            if self._unpacker.needs_input:
                packed, self._ahead = self._ahead or self._file.read(_PIECE), b""
                if not packed:
                    raise EOFError("it ends in the middle")
            octets = self._unpacker.decompress(packed, len(buffer))
        buffer[: len(octets)] = octets
        self._at += len(octets)
        return len(octets)

    def _begin_next(self) -> bool:
        ahead = self._unpacker.unused_data
        while not ahead.lstrip(b"\0"):  # padding, which xz allows
            ahead = self._file.read(_PIECE)
            if not ahead:
                return False
        self._ahead = ahead.lstrip(b"\0")
        self._unpacker = self._new()
        return True


@contextmanager
def in_words() -> Iterator[None]:
    """What reading raises becomes a TableError."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise TableError(f"the file is damaged or cut off: {error}") from None
    except OSError as error:
        raise TableError(f"the file cannot be read: {error.strerror or error}") from None
