"""What a format finds in one record: an attempt as written, before any number is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from ringfence import EventKind
from ringfence.adapters.base import Unreadable
from ringfence.wording.tables import Table

RECORD_MAX = 65_536
"""Characters of a record in one line; no switch writes more."""


class NoAttempt(Exception):
    """A record of something else, which hides no attempt; the message is the reason's name."""


@dataclass(slots=True)
class Record:
    """An attempt at a number."""

    called: str
    caller: str | None = field(repr=False)
    """Empty when it is withheld; None = records of this sort never have one."""
    occurred_at: int
    """Unix seconds."""
    kind: EventKind | None = EventKind.CALL
    """None = a message, whose sender decides between SMS and A2P_SMS."""
    names: tuple[bytes, ...] = ()
    """What names this attempt in all its records."""
    leg: int = 0
    """Records of one attempt that nothing names differ in this."""
    hint: bytes = b""
    """What names this attempt among those of its caller."""


@dataclass(slots=True)
class Entry:
    """Where a record stands, what it is, and how it is given back where it cannot be used."""

    line: int | str
    """Its line, or where it stands in words."""
    text: str = field(repr=False)
    found: Record | Unreadable | NoAttempt
    table: Table | None = None
    cells: list[str] | None = field(default=None, repr=False)


Format = Callable[[IO[bytes]], Iterator[Entry]]
"""Reads all records of a file; raises TableError where nothing behind can be read."""
