"""Records that are lines of cells, in quotes or not.

A line is a record, so a torn or hostile one costs itself alone and not those behind it. Where it
ends inside of quotes the next ones may be its rest: they are when all together read as a record and
none of them does so alone.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, TypeVar

from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.record import RECORD_MAX, Entry, Format, NoAttempt, Record
from ringfence.adapters.cdr.unpacked import unpacked
from ringfence.wording.tables import Table

_GIVEN_BACK = re.compile(r"# line \d+: [^,]*")
"""A reason in a file of lines that were not used. A record has cells, and so no caller's name makes
one look like it."""

_Read = TypeVar("_Read")
_Outcome = tuple[Record | Unreadable | NoAttempt, list[str] | None]
LINES_MAX = 8
"""Lines of a record."""
ReadText = Callable[[str], Record]
ReadCells = Callable[[list[str]], Record]


def text_lines(
    file: IO[bytes], no_record: re.Pattern[str] | None = None
) -> Iterator[tuple[int, str]]:
    """Line and text of all that are not blank, without their ends; of a long one the beginning.

    Lines that `no_record` fits as a whole are left out.
    """
    count, going_on = 0, False
    while octets := file.readline(RECORD_MAX):
        begins, going_on = not going_on, not octets.endswith(b"\n")
        if not begins:
            continue
        count += 1
        # Of a line that may be cut a character is an octet, so that it counts as too long.
        encoding = "utf-8" if len(octets) < RECORD_MAX - 2 else "ascii"
        text = octets.rstrip(b"\r\n").decode(encoding, "surrogateescape")
        text = text.removeprefix("\ufeff") if count == 1 else text
        if text.strip() and not (no_record and no_record.fullmatch(text)):
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


def plain_records(read: ReadText, *, escapes: bool = True) -> Format:
    """The records of files without a header; quotes that escape nothing hold no ends of lines."""

    def text_read(text: str) -> _Outcome:
        return _found(read, text), None

    def records(file: IO[bytes]) -> Iterator[Entry]:
        with unpacked(file) as octets:
            lines = text_lines(octets, _GIVEN_BACK)
            if escapes:
                for line, text, (found, _) in _records(lines, text_read):
                    yield Entry(line, text, found)
            else:
                for line, text in lines:
                    yield Entry(line, text, _found(read, text))

    return records


def headed_records(
    reader: Callable[[Table], ReadCells], columns: tuple[str, ...], names: dict[str, str]
) -> Format:
    """The records of files whose first line names the columns."""

    def records(file: IO[bytes]) -> Iterator[Entry]:
        with unpacked(file) as octets:
            lines = text_lines(octets)
            first, header = next(lines, (1, ""))
            table = Table(iter((header,)), columns, names=names, first_line=first)
            read, width = reader(table), len(table.header)

            def cells_read(text: str) -> _Outcome:
                try:
                    cells = cells_of(text, table.delimiter)
                    if len(cells) != width:
                        return Unreadable("record_columns"), cells
                except Unreadable as unreadable:
                    return unreadable, [text]
                return _found(read, cells), cells

            for line, text, (found, cells) in _records(lines, cells_read):
                yield Entry(line, text, found, table, cells)

    return records


def _records(
    lines: Iterator[tuple[int, str]], read: Callable[[str], _Outcome]
) -> Iterator[tuple[int, str, _Outcome]]:
    """Line, text and outcome of each record."""
    ahead: deque[tuple[int, str]] = deque()
    while following := ahead.popleft() if ahead else next(lines, None):
        line, text = following
        outcome = read(text)
        if isinstance(outcome[0], Unreadable) and outcome[0].reason == "record_quotes":
            whole = text
            for count in range(1, LINES_MAX):
                if len(ahead) < count and (after := next(lines, None)):
                    ahead.append(after)
                if len(ahead) < count or ahead[count - 1][0] != line + count:
                    break
                more = ahead[count - 1][1]
                if not isinstance(read(more)[0], Unreadable):
                    break
                whole += "\n" + more
                joined = read(whole)
                if not isinstance(joined[0], Unreadable):
                    for _ in range(count):
                        ahead.popleft()
                    text, outcome = whole, joined
                    break
        yield line, text, outcome


def _found(read: Callable[[_Read], Record], what: _Read) -> Record | Unreadable | NoAttempt:
    try:
        return read(what)
    except (Unreadable, NoAttempt) as why:
        return why
