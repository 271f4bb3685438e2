"""How many of the octets at hand are whole records; what is behind is still being written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ringfence.adapters.cdr.freeswitch_json import objects_end

Whole = Callable[[bytes], int]
"""How many octets at the beginning are whole records: more may come behind, and must not change
what these are."""


@dataclass(frozen=True)
class Shape:
    """What a format looks like in octets."""

    whole: Whole
    headed: bool = False
    """The first line of a file names the columns of all others."""


def lines_end(octets: bytes) -> int:
    """A record is a line."""
    return octets.rfind(b"\n") + 1


LINES = Shape(lines_end)
HEADED = Shape(lines_end, headed=True)
SHAPES = {
    "asterisk": LINES,
    "freeswitch": LINES,
    "freeswitch-json": Shape(objects_end),
    "kamailio": HEADED,
    "csv": HEADED,
}
"""By the name of the format; what is not in here can be imported, and not followed."""
