"""Asterisk's Master.csv, as `cdr/cdr_csv.c` writes it: 16 columns, and more as cdr.conf says.

`loguniqueid` and `loguserfield` add one each, `newcdrcolumns` three: 16 to 21 columns, no header.
The 17th of 17 or 20 is the unique id or the user's field: a unique id looks like one.
"""

from __future__ import annotations

import re

from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.lines import ReadText, cells_of
from ringfence.adapters.cdr.local_time import LocalTimes
from ringfence.adapters.cdr.record import Record

_CALLER, _CALLED, _START = 1, 2, 9
_WIDTH, _NEW = 16, 3
_WIDTH_MAX = 21
_UNIQUE_ID = re.compile(r"(?:[^ \"]{1,64}-)?\d{9,10}\.\d{1,12}", re.ASCII)


def asterisk_reader(times: LocalTimes) -> ReadText:
    """Reads lines of Master.csv."""

    def read(text: str) -> Record:
        cells = cells_of(text)
        if not _WIDTH <= len(cells) <= _WIDTH_MAX:
            raise Unreadable("record_columns")
        at = times.read(cells[_START])
        # Both are unique ids: the first channel's names all records of its call.
        names = (cells[_WIDTH], *_linked(cells)) if len(cells) > _WIDTH else ()
        known = tuple(
            b"u:" + name.encode("utf-8", "replace") for name in names if _UNIQUE_ID.fullmatch(name)
        )
        return Record(cells[_CALLED], cells[_CALLER], at, names=known)

    return read


def _linked(cells: list[str]) -> tuple[str, ...]:
    return (cells[-2],) if len(cells) >= _WIDTH + _NEW else ()
