"""Files of TS 32.298, and the files of what was refused of them.

A refused record is given back as its octets in hexadecimal, on a line below its place and reason,
so that it can be mended with any editor; the same command reads that file too.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import IO, cast

from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.record import Entry, Format
from ringfence.adapters.cdr.ts32298.meaning import record_reader
from ringfence.adapters.cdr.ts32298.stream import RECORD_MAX, RecordFinder
from ringfence.adapters.cdr.ts32298.tags import TagMap
from ringfence.adapters.cdr.unpacked import unpacked

_GIVEN_BACK = re.compile(rb"# (?:octet|line) \d+: ")
_LINE_MAX = 2 * RECORD_MAX + 1_024


def ts32298_records(tags: TagMap) -> Format:
    """Reads files of records."""
    read = record_reader(tags)

    def records(file: IO[bytes]) -> Iterator[Entry]:
        with unpacked(file) as octets:
            stream = io.BufferedReader(cast(io.RawIOBase, octets))
            try:
                if _GIVEN_BACK.match(stream.peek(64)):
                    yield from given_back(stream)
                else:
                    finder = RecordFinder(
                        stream,
                        read,
                        file_header=tags.file_header,
                        record_header=tags.record_header,
                    )
                    for at, record, what in finder:
                        yield Entry(f"octet {at}", record.hex(), what)
            finally:
                stream.detach()

    def given_back(file: IO[bytes]) -> Iterator[Entry]:
        line = 0
        while octets := file.readline(_LINE_MAX):
            line += 1
            text = octets.decode("latin-1").strip()
            if not text or text.startswith("#"):
                continue
            try:
                record = bytes.fromhex(text)
            except ValueError:
                yield Entry(line, text, Unreadable("record_not_hexadecimal"))
                continue
            for _, found, what in RecordFinder(io.BytesIO(record), read):
                yield Entry(line, found.hex(), what)

    return records
