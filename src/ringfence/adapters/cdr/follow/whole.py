"""How many of the octets at hand are whole records; what is behind is still being written."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass

from ringfence.adapters.cdr.freeswitch_json import objects_end
from ringfence.adapters.cdr.lines import LINES_MAX
from ringfence.wording.tables import DELIMITERS

Whole = Callable[[bytes], int]
"""How many octets at the beginning are whole records: more may come behind, and must not change
what these are."""


@dataclass(frozen=True)
class Shape:
    """What a format looks like in octets."""

    whole: Whole | None
    """None = nothing of a file is read before all of it is written."""
    headed: bool = False
    """The first line of a file names the columns of all others."""


def lines_end(octets: bytes) -> int:
    """A record is a line."""
    return octets.rfind(b"\n") + 1


def quoted_lines_end(octets: bytes) -> int:
    """A record is a line, or several where one ends inside of quotes."""
    end = lines_end(octets)
    at, opened_at, lines = 0, -1, 0
    while at < end:
        following = octets.index(b"\n", at) + 1
        if opened_at >= 0:
            lines += 1
        if octets.count(b'"', at, following) % 2:
            if opened_at >= 0:
                opened_at = -1
            elif _ends_inside(octets[at:following]):
                opened_at, lines = at, 1
        if lines >= LINES_MAX:
            opened_at = -1
        at = following
    return end if opened_at < 0 else opened_at


def _ends_inside(line: bytes) -> bool:
    text = line.rstrip(b"\r\n").decode("latin-1")
    for delimiter in DELIMITERS:
        try:
            list(csv.reader((text,), delimiter=delimiter, strict=True))
        except csv.Error:
            continue
        return False
    return True


HEADED = Shape(quoted_lines_end, headed=True)
SHAPES = {
    "asterisk": Shape(quoted_lines_end),
    "freeswitch": Shape(lines_end),
    "freeswitch-json": Shape(objects_end),
    "kamailio": HEADED,
    "csv": HEADED,
    "ts32298": Shape(None),
}
"""By the name of the format."""
