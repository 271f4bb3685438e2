"""Numbers as operators have them: arguments, ranges, text files and exported CSV files.

Everything is read and checked before anything is sent. The first line of a file decides: a number
or a range makes it text, one to a line; a header that names a column `number`, or what --column
calls it, makes it CSV.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from stat import S_ISREG
from typing import IO, Any, BinaryIO, Protocol, cast

import click
from rich.progress import Progress

from ringfence.cli.number_rows import NumberRows, Numbers, TooManyNumbers
from ringfence.engine.words import DisconnectReason
from ringfence.wording.numbers import WrittenNumbers
from ringfence.wording.tables import (
    DELIMITERS,
    Table,
    TableError,
    place_text,
    plain_lines,
    text_of,
)
from ringfence.wording.times import ReadTime, parse_time

BAD_LINES_SHOWN_MAX = 10
STDIN = "standard input"


class InputError(click.ClickException):
    """What was typed or read is no list of numbers; nothing has been sent."""

    exit_code = 2


class Rejects(Protocol):
    """What takes the rows of a file that are not used, each with its reason."""

    def add(self, table: Table | None, line: int | str, cells: Sequence[str], reason: str) -> None:
        """Takes one; without a table the only cell is the line."""


class BadLines:
    """Rejects that make a command wrong usage: the first lines are told, the others counted."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._told: list[str] = []
        self._count = 0

    def add(self, table: Table | None, line: int | str, cells: Sequence[str], reason: str) -> None:
        """Takes one."""
        self._count += 1
        if self._count <= BAD_LINES_SHOWN_MAX:
            self._told.append(f"{self._source}, {place_text(line)}: {reason}")

    @property
    def text(self) -> str:
        """The first of them, each on a line, and how many more there are."""
        more = self._count - len(self._told)
        return "\n  ".join([*self._told, *([f"and {more:,} more bad lines"] if more else [])])

    def refuse(self) -> None:
        """Raises InputError if there was any."""
        if self._count:
            raise InputError(self.text)


class NumberFile:
    """A file of numbers, or standard input, that can be read twice."""

    def __init__(self, file: IO[bytes], source: str, names: Mapping[str, str]) -> None:
        self._file = file
        self.source = source
        self._names = names

    @contextmanager
    def rows(
        self, bars: Progress | None = None
    ) -> Iterator[tuple[Table | None, Iterator[tuple[int, list[str]]]]]:
        """The table, None for a file with a number to a line, and line and cells of each row.

        Raises InputError.
        """
        self._file.seek(0)
        size = os.fstat(self._file.fileno()).st_size
        read = self._file
        if bars is not None:
            said = f"reading {Path(self.source).name}, bytes"
            read = bars.wrap_file(cast(BinaryIO, read), size, description=said)
        try:
            with text_of(read) as lines:
                yield self._layout(lines)
        except TableError as error:
            raise InputError(f"{self.source}, {error}") from None

    def _layout(self, lines: Iterator[str]) -> tuple[Table | None, Iterator[tuple[int, list[str]]]]:
        for line, written in enumerate(lines, 1):
            first = next(plain_lines([written], line), None)
            if first is None:
                continue
            if first[1][0] in "+0123456789(" and not self._names:
                numbers = chain([first], plain_lines(lines, line + 1))
                return None, ((at, [text]) for at, text in numbers)
            table = Table(
                chain([written], lines), NUMBER_COLUMNS, names=self._names, first_line=line
            )
            if "number" not in table.places:
                raise TableError(
                    f"line {line}: value={','.join(table.others)[:40]!r}, bound=a number with +, a"
                    " range +A-+B, or a CSV header with a column `number`; --column number=NAME"
                    " says what else it is called"
                )
            return table, table.rows()
        return None, iter(())


@dataclass(frozen=True)
class NumberInput:
    """Where a command's numbers come from, and how they are written there."""

    arguments: Sequence[str] = ()
    file: Path | None = None
    written: WrittenNumbers = field(default_factory=WrittenNumbers)
    names: Mapping[str, str] = field(default_factory=dict)
    """What the table calls its columns."""

    def __bool__(self) -> bool:
        return bool(self.arguments) or self.file is not None

    @property
    def source(self) -> str:
        """What to call the file; "" for arguments."""
        if self.file is not None and str(self.file) != "-":
            return str(self.file)
        return STDIN if self.file is not None or "-" in self.arguments else ""

    def read(self) -> Numbers:
        """All the numbers; raises InputError for any that is none, and click.UsageError unless
        there is exactly one source.
        """
        with self.opened() as file:
            if file is None:
                return self._of_arguments()
            bad = BadLines(file.source)
            numbers = read_rows(file, self.written, bad)
            bad.refuse()
        if not len(numbers):
            raise InputError(f"{self.source}: no number in it")
        return numbers

    @contextmanager
    def opened(self) -> Iterator[NumberFile | None]:
        """The file of numbers, None for arguments; raises click.UsageError."""
        if "-" in self.arguments and (len(self.arguments) > 1 or self.file is not None):
            raise click.UsageError("- reads standard input and stands alone")
        if self.file is not None and self.arguments:
            raise click.UsageError("give numbers or --file, not both")
        if not self:
            raise click.UsageError("give numbers, ranges +A-+B, --file FILE, or -: standard input")
        if not self.source:
            yield None
            return
        with _read_twice(None if self.source == STDIN else self.file) as file:
            yield NumberFile(file, self.source, self.names)

    def _of_arguments(self) -> Numbers:
        rows, bad = NumberRows(), []
        for argument in self.arguments:
            try:
                rows.add(*self.written.numbers(argument))
            except ValueError as error:
                bad.append(str(error))
        if bad:
            raise InputError("\n  ".join(bad[:BAD_LINES_SHOWN_MAX]))
        return rows.numbers()


def read_rows(
    file: NumberFile,
    written: WrittenNumbers,
    rejects: Rejects,
    *,
    read_time: ReadTime = parse_time,
    bars: Progress | None = None,
) -> Numbers:
    """The numbers of a file's good rows; the others go to `rejects`. Raises InputError."""
    rows = NumberRows()
    columns: dict[str, Callable[[str], int | str]] = {
        **_COLUMNS,
        "quarantined_at": read_time,
        "observed_since": read_time,
    }
    with file.rows(bars) as (table, lines):
        if table is not None:
            rows.ignored_columns = table.others
        for line, cells in lines:
            try:
                if table is None:
                    rows.add(*_of_line(cells[0], written), line=line)
                else:
                    ends, particulars = _of_row(table, cells, written, columns)
                    rows.add(*ends, line=line, **particulars)
            except TooManyNumbers as error:
                raise InputError(f"{file.source}, line {line}: {error}") from None
            except ValueError as error:
                rejects.add(table, line, cells, str(error))
    return rows.numbers()


def _of_row(
    table: Table,
    cells: Sequence[str],
    written: WrittenNumbers,
    columns: Mapping[str, Callable[[str], int | str]],
) -> tuple[tuple[int, int], dict[str, Any]]:
    """First and last of the numbers of a row, and what it says of them."""
    if wrong := table.wrong_width(cells):
        raise ValueError(wrong)
    particulars = {
        name: columns[name](text)
        for name, index in table.places.items()
        if name != "number" and (text := cells[index].strip())
    }
    return written.numbers(cells[table.places["number"]]), particulars


def _of_line(text: str, written: WrittenNumbers) -> tuple[int, int]:
    try:
        return written.numbers(text)
    except ValueError as error:
        if any(delimiter in text for delimiter in DELIMITERS):
            raise ValueError(
                f"{error}; a file with more columns needs a header line with a column `number`"
            ) from None
        raise


@contextmanager
def _read_twice(path: Path | None) -> Iterator[IO[bytes]]:
    """The file, or a copy of what can be read only once: a pipe, or standard input for None."""
    if path is not None and S_ISREG(path.stat().st_mode):
        with path.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile(prefix="ringfence-") as copy:
        if path is None:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with path.open("rb") as pipe:
                shutil.copyfileobj(pipe, copy)
        yield copy


def _reason(text: str) -> int:
    word = text.upper().replace(" ", "_").replace("-", "_")
    if word not in DisconnectReason.__members__:
        known = ", ".join(DisconnectReason.__members__)
        raise ValueError(f"unknown reason: value={text[:40]!r}, bound={known}")
    return int(DisconnectReason[word])


_COLUMNS: dict[str, Callable[[str], int | str]] = {
    "quarantined_at": parse_time,
    "observed_since": parse_time,
    "reason": _reason,
    "pool": str,
}

NUMBER_COLUMNS = ("number", *_COLUMNS)
"""The columns that a file of numbers may have."""
