"""Records that are lines of cells, in quotes or not.

A line is a record, so a torn or hostile one costs itself alone and not those behind it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from typing import IO, TypeVar

from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.record import RECORD_MAX, Entry, NoAttempt, Record
from ringfence.adapters.cdr.unpacked import unpacked
from ringfence.wording.tables import Table

GIVEN_BACK = "# line "
"""What begins the reasons in a file of lines that were not used; such a line is no record."""

_Read = TypeVar("_Read")
ReadText = Callable[[str], Record]
ReadCells = Callable[[list[str]], Record]


def text_lines(file: IO[bytes]) -> Iterator[tuple[int, str]]:
    """Line and text of all that are not blank, without their ends; of a long one the beginning."""
    count, going_on = 0, False
    while octets := file.readline(RECORD_MAX):
        begins, going_on = not going_on, not octets.endswith(b"\n")
        if not begins:
            continue
        count += 1
        text = octets.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
        text = text.removeprefix("\ufeff") if count == 1 else text
        if text.strip() and not text.startswith(GIVEN_BACK):
            yield count, text


def cells_of(text: str, delimiter: str = ",") -> list[str]:
    """The cells of a line, with quotes inside of quotes doubled; raises Unreadable."""
    if len(text) >= RECORD_MAX - 2:
        raise Unreadable("record_too_long")
    try:
        rows = list(csv.reader((text,), delimiter=delimiter, strict=True))
    except csv.Error:
        raise Unreadable("record_quotes") from None
    if len(rows) != 1:
        raise Unreadable("record_quotes")
    return rows[0]


def plain_records(read: ReadText) -> Callable[[IO[bytes]], Iterator[Entry]]:
    """The records of files without a header."""

    def records(file: IO[bytes]) -> Iterator[Entry]:
        with unpacked(file) as octets:
            for line, text in text_lines(octets):
                yield Entry(line, text, _found(read, text))

    return records


def headed_records(
    reader: Callable[[Table], ReadCells], columns: tuple[str, ...], names: dict[str, str]
) -> Callable[[IO[bytes]], Iterator[Entry]]:
    """The records of files whose first line names the columns."""

    def records(file: IO[bytes]) -> Iterator[Entry]:
        with unpacked(file) as octets:
            lines = text_lines(octets)
            first, header = next(lines, (1, ""))
            table = Table(iter((header,)), columns, names=names, first_line=first)
            read, width = reader(table), len(table.header)

            def cells_read(text: str) -> tuple[Record | Unreadable | NoAttempt, list[str]]:
                try:
                    cells = cells_of(text, table.delimiter)
                    if len(cells) != width:
                        return Unreadable("record_columns"), cells
                except Unreadable as unreadable:
                    return unreadable, [text]
                return _found(read, cells), cells

            for line, text in lines:
                found, cells = cells_read(text)
                yield Entry(line, text, found, table, cells)

    return records


def _found(read: Callable[[_Read], Record], what: _Read) -> Record | Unreadable | NoAttempt:
    try:
        return read(what)
    except (Unreadable, NoAttempt) as why:
        return why
