"""Rows of a CSV file, each cell read by its column; errors say file, line, field, value, bound.

Columns may have been mistaken for each other, and then a caller stands in any column of events: no
error shows a cell that may be a telephone number, unless the column holds only the operator's own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from ringfence.simulation.history import HistoryError
from ringfence.wording.numbers import without_numbers
from ringfence.wording.tables import Table, TableError, text_of

Column = Callable[[str], Any]
"""Reads a cell; raises ValueError with value and bound."""

OWN_NUMBER = "number"
"""The column of the operator's own numbers, of a file that has no callers."""

NotRead = Callable[[Path, Sequence[str]], None]
"""Told of a file the columns that it has and nobody reads."""


def csv_rows(
    path: Path,
    required: Mapping[str, Column],
    optional: Mapping[str, Column],
    not_read: NotRead,
    progress: Progress,
    *,
    names: Mapping[str, str],
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line and cells of each row; of optional columns only those that the file has.

    The first line is a header; columns stand in any order, others are not read, and `not_read` is
    told which. `names` says what the file calls some of them. A bar shows how many bytes are read.
    Raises HistoryError for the first thing that is wrong.
    """
    known = {**required, **optional}
    try:
        with (
            progress.open(path, "rb", description=f"reading {path.name}, bytes") as file,
            text_of(file) as lines,
        ):
            table = Table(lines, tuple(known), names=names)
            for name in required:
                if name not in table.places:
                    raise TableError(
                        f"line 1: no column {name!r} in the header: bound={', '.join(required)},"
                        f" and if known {', '.join(optional)}"
                    )
            if table.others:
                not_read(path, list(table.others))
            for line, cells in table.rows():
                try:
                    if wrong := table.wrong_width(cells):
                        raise ValueError(wrong)
                    row = _read(cells, table.places, known)
                except ValueError as error:
                    raise TableError(f"line {line}: {error}") from None
                yield line, row
    except TableError as error:
        raise HistoryError(f"{path}, {error}") from None
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from None


def _read(
    cells: Sequence[str], places: Mapping[str, int], columns: Mapping[str, Column]
) -> dict[str, Any]:
    row = {}
    for name, index in places.items():
        try:
            row[name] = columns[name](cells[index].strip())
        except ValueError as error:
            said = str(error) if name == OWN_NUMBER else without_numbers(str(error))
            raise ValueError(f"{name}: {said}") from None
    return row
