"""Rows of a CSV file, each cell read by its column; errors say file, line, field, value, bound.

Columns may have been mistaken for each other, and then a caller stands in any column of events: no
error shows a cell that may be a telephone number, unless the column holds only the operator's own.
"""

import csv
import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from ringfence.simulation.history import HistoryError

Column = Callable[[str], Any]
"""Reads a cell; raises ValueError with value and bound."""

OWN_NUMBER = "number"
"""The column of the operator's own numbers, of a file that has no callers."""

NotRead = Callable[[Path, Sequence[str]], None]
"""Told of a file the columns that it has and nobody reads."""

DELIMITERS = ",;\t|"
VALUE_MAX = 40  # characters of a cell in an error
_DIGITS_MIN = 7  # of a telephone number
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?=$|[T ])", re.ASCII)


def csv_rows(
    path: Path,
    required: Mapping[str, Column],
    optional: Mapping[str, Column],
    not_read: NotRead,
    progress: Progress,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line and cells of each row; of optional columns only those that the file has.

    The first line is a header; columns stand in any order, others are not read, and `not_read` is
    told which. A bar shows how many bytes are read. Raises HistoryError for the first thing that is
    wrong.
    """
    rows = csv.reader(())
    try:
        with progress.open(
            path,
            "r",
            encoding="utf-8-sig",
            errors="replace",
            newline="",
            description=f"reading {path.name}, bytes",
        ) as file:
            header_line = file.readline()
            delimiter = max(DELIMITERS, key=header_line.count)
            (header,) = csv.reader([header_line or "\n"], delimiter=delimiter)
            words = [_word(cell) for cell in header]
            columns = _columns(words, required, optional)
            if others := [word for word in words if word not in columns]:
                not_read(path, others)
            rows = csv.reader(file, delimiter=delimiter, strict=True)
            for cells in rows:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    raise ValueError(f"columns={len(cells)}, bound={len(header)} as in the header")
                yield 1 + rows.line_num, _read(cells, columns)
    except (ValueError, csv.Error) as error:
        raise HistoryError(f"{path}, line {1 + rows.line_num}: {error}") from None
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from None


def _word(cell: str) -> str:
    return cell.strip().lower().replace(" ", "_")


def _columns(
    header: list[str], required: Mapping[str, Column], optional: Mapping[str, Column]
) -> dict[str, tuple[int, Column]]:
    """Where the header has the columns that are read."""
    known = {**required, **optional}
    for name in header:
        if name in known:
            if header.count(name) > 1:
                raise ValueError(f"column {name!r} stands twice in the header")
        elif close := difflib.get_close_matches(name, known, n=1, cutoff=0.85):
            raise ValueError(f"column {name!r}: did you mean {close[0]!r}?")
    for name in required:
        if name not in header:
            raise ValueError(
                f"no column {name!r} in the header: bound={', '.join(required)},"
                f" and if known {', '.join(optional)}"
            )
    return {name: (header.index(name), known[name]) for name in known if name in header}


def _read(cells: list[str], columns: Mapping[str, tuple[int, Column]]) -> dict[str, Any]:
    row = {}
    for name, (index, column) in columns.items():
        text = cells[index].strip()
        try:
            row[name] = column(text)
        except ValueError as error:
            said = str(error)
            if name != OWN_NUMBER and _may_be_number(text):
                said = said.replace(repr(text[:VALUE_MAX]), "(looks like a telephone number)")
            raise ValueError(f"{name}: {said}") from None
    return row


def _may_be_number(text: str) -> bool:
    return sum(map(str.isdigit, text)) >= _DIGITS_MIN and not _DATE.match(text)
