"""Files of lines as records for the importer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.lines import text_lines
from ringfence.adapters.cdr.record import Entry, NoAttempt, Record
from ringfence.adapters.cdr.unpacked import unpacked
from ringfence.adapters.ndjson.line import BadLine, Heard, object_of, read_values
from ringfence.adapters.ndjson.schema import LINE_MAX

_GIVEN_BACK = re.compile(r"# line .*")
"""A reason in a file of lines that were not used, which no object looks like."""


def line_records(file: IO[bytes]) -> Iterator[Entry]:
    """The records of a file; blank lines are none."""
    with unpacked(file) as octets:
        for line, text in text_lines(octets, _GIVEN_BACK):
            yield Entry(line, text, _found(text))


def _found(text: str) -> Record | Unreadable | NoAttempt:
    octets = text.encode("utf-8", "surrogateescape")
    try:
        if len(octets) >= LINE_MAX:
            raise too_long()
        found = read_values(object_of(octets))
    except BadLine as bad:
        return Unreadable(bad.words)
    return NoAttempt("heard") if isinstance(found, Heard) else found


def too_long() -> BadLine:
    """A line that is not read to its end."""
    return BadLine("line_too_long", f"line: value=longer, bound=under {LINE_MAX} octets")
