"""Rows that were not used, in a file that can be mended and read again.

It has the columns of the file that they come from, as they stood there, and one more with the
reason, which is not read; of a file with a number to a line, the reason is a comment above it.

Only whole rows are written, some at a time, so that a run which is killed leaves none that is torn.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any, Self

import click

from ringfence.cli.error_text import in_words
from ringfence.cli.number_input import BadLines
from ringfence.wording.tables import REASON_COLUMN, Table, place_text

_WRITTEN_AT_ONCE = 1 << 16  # characters
_OURS = re.compile(r"\.rejects(-\d+)?$")


class RejectsThere(click.UsageError):
    """The file for the rejected rows is there already."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"--rejects: {path} is there already, and nothing is written over: move it away, or"
            " name a file that is not there"
        )


def rejects_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--rejects FILE`; the command gets `rejects`, which `check_not_there` looks at."""
    return click.option(
        "--rejects",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Where to write the lines that were not used, a new file; beside the file that they"
        " come from, if not given.",
    )(function)


def check_not_there(path: Path | None, begun: str = "") -> None:
    """Refuses a path where something is, but for what an earlier run of the same has begun."""
    if path is not None and os.path.lexists(path) and str(path.absolute()) != begun:
        raise RejectsThere(path)


class RejectFile:
    """Made with its first row, for its owner only; never in place of another file."""

    def __init__(
        self,
        path: Path | None,
        beside: Path | None = None,
        *,
        begun: Path | None = None,
        made: Callable[[Path], None] = lambda _: None,
    ) -> None:
        """`path`, or where there is none a free name `beside` the input; both None: here. `begun`
        is the one that an earlier run of the same input made: if it is still there, it goes on.
        `made` is told of a new one.
        """
        self._wanted = path
        self._beside = beside or Path("numbers.csv")
        self._file: IO[bytes] | None = None
        self._rows = io.StringIO()
        self._say_made = made
        self._writer: Any = None
        self.path = begun if begun is not None and begun.is_file() else None
        self.rows = 0

    def add(self, table: Table | None, line: int | str, cells: Sequence[str], reason: str) -> None:
        """Writes a row; without a table the only cell is the line. Raises OSError."""
        if self._file is None:
            self._file = self._opened(table)
        self.rows += 1
        if table is None:
            self._rows.write(f"# {place_text(line)}: {reason}\n{cells[0]}\n")
        else:
            # A row that is too short stays so: with the reason in another place it is refused too.
            kept = [cell for at, cell in enumerate(cells) if at != _reason_place(table)]
            self._writer.writerow([*kept, f"{place_text(line)}: {reason}"])
        if self.rows == 1 or self._rows.tell() >= _WRITTEN_AT_ONCE:
            self.write()

    def write(self) -> None:
        """Writes what there is so far: who is killed later has it. Raises OSError."""
        if self._file is None:
            return
        self._file.write(self._rows.getvalue().encode("utf-8", "surrogateescape"))
        self._file.flush()
        self._rows.seek(0)
        self._rows.truncate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it, and says where it is."""
        if self._file is not None:
            try:
                self.write()
            finally:
                self._file.close()
        if self.path is not None:
            click.echo(f"lines not used, with the reasons: {self.path}", err=True)

    def _opened(self, table: Table | None) -> IO[bytes]:
        begun = self.path
        descriptor = self._made() if begun is None else os.open(begun, os.O_WRONLY | os.O_APPEND)
        file = os.fdopen(descriptor, "ab")
        if table is not None:
            self._writer = csv.writer(
                self._rows,
                delimiter=table.delimiter,
                lineterminator="\n",
                quoting=csv.QUOTE_MINIMAL,
            )
            if not file.tell():
                kept = [cell for at, cell in enumerate(table.header) if at != _reason_place(table)]
                self._writer.writerow([*kept, REASON_COLUMN])
        return file

    def _made(self) -> int:
        for path in [self._wanted] if self._wanted else free_names(self._beside):
            try:
                opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                if self._wanted:  # since the command began
                    raise RejectsThere(path) from None
                continue
            break
        self.path = path
        self._say_made(path)
        return opened


class TurnedAway(BadLines):
    """Bad lines that go to a file, of which the first are told."""

    def __init__(self, file: RejectFile, source: str) -> None:
        super().__init__(source)
        self._file = file

    def add(self, table: Table | None, line: int | str, cells: Sequence[str], reason: str) -> None:
        """Takes one."""
        reason = in_words(reason)
        super().add(table, line, cells, reason)
        if cells:  # else there is nothing that could be mended
            self._file.add(table, line, cells, reason)


def free_names(beside: Path) -> Iterator[Path]:
    """stock.rejects.csv for stock.csv, then stock.rejects-2.csv, and so on; so for these too."""
    name = beside.name.removesuffix(".gz")
    stem, dot, suffix = name.rpartition(".")
    if not dot:
        stem, suffix = name, "csv"
    stem = _OURS.sub("", stem)
    yield beside.with_name(f"{stem}.rejects.{suffix}")
    for number in count(2):
        yield beside.with_name(f"{stem}.rejects-{number}.{suffix}")


def _reason_place(table: Table) -> int:
    """Where the table, a file of rejected rows itself, has the reasons; -1 if it has none."""
    return table.header.index(REASON_COLUMN) if REASON_COLUMN in table.header else -1
