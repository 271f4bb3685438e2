"""Files as switches and log rotation leave them: plain, or packed by gzip, bzip2 or xz."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

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
                opened = bz2.BZ2File(stream)
            elif head.startswith(b"\xfd7zXZ\x00"):
                opened = lzma.LZMAFile(stream)  # noqa: SIM115 - detached below
            yield opened
    finally:
        stream.detach()


@contextmanager
def in_words() -> Iterator[None]:
    """What reading raises becomes a TableError."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise TableError(f"the file is damaged or cut off: {error}") from None
    except OSError as error:
        raise TableError(f"the file cannot be read: {error.strerror or error}") from None
