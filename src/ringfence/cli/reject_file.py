"""Rows that were not used, in a file that can be mended and read again.

It has the columns of the file that they come from, as they stood there, and one more with the
reason, which is not read; of a file with a number to a line, the reason is a comment above it.
"""

import csv
import os
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any, Self

import click

from ringfence.cli.error_text import in_words
from ringfence.cli.number_input import BadLines
from ringfence.wording.tables import REASON_COLUMN, Table

_OURS = re.compile(r"\.rejects(-\d+)?$")


class RejectsThere(click.UsageError):
    """The file for the rejected rows is there already."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"--rejects: {path} is there already, and nothing is written over: move it away, or"
            " name a file that is not there"
        )


def rejects_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--rejects FILE`; the command gets `rejects`, a path where nothing is yet."""
    return click.option(
        "--rejects",
        type=click.Path(path_type=Path),
        callback=_not_there,
        metavar="FILE",
        help="Where to write the lines that were not used, a new file; beside the file that they"
        " come from, if not given.",
    )(function)


def _not_there(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and os.path.lexists(path):
        raise RejectsThere(path)
    return path


class RejectFile:
    """Made with its first row, for its owner only; never in place of another file."""

    def __init__(self, path: Path | None, beside: Path | None = None) -> None:
        """`path`, or where there is none a free name `beside` the input; both None: here."""
        self._wanted = path
        self._beside = beside or Path("numbers.csv")
        self._file: IO[str] | None = None
        self._writer: Any = None
        self.path: Path | None = None
        self.rows = 0

    def add(self, table: Table | None, line: int, cells: Sequence[str], reason: str) -> None:
        """Writes a row; without a table the only cell is the line. Raises OSError."""
        file = self._file or self._made(table)
        self.rows += 1
        if table is None:
            file.write(f"# line {line}: {reason}\n{cells[0]}\n")
            return
        # A row that is too short stays so: with the reason in another place it is still refused.
        kept = [cell for at, cell in enumerate(cells) if at != _reason_place(table)]
        self._writer.writerow([*kept, f"line {line}: {reason}"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it, and says where it is."""
        if self._file is not None:
            self._file.close()
            click.echo(f"lines not used, with the reasons: {self.path}", err=True)

    def _made(self, table: Table | None) -> IO[str]:
        for path in [self._wanted] if self._wanted else free_names(self._beside):
            try:
                opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                if self._wanted:  # since the command began
                    raise RejectsThere(path) from None
                continue
            break
        self.path = path
        self._file = os.fdopen(opened, "w", encoding="utf-8", errors="surrogateescape", newline="")
        if table is not None:
            self._writer = csv.writer(
                self._file,
                delimiter=table.delimiter,
                lineterminator="\n",
                quoting=csv.QUOTE_MINIMAL,
            )
            header = [cell for at, cell in enumerate(table.header) if at != _reason_place(table)]
            self._writer.writerow([*header, REASON_COLUMN])
        return self._file


class TurnedAway(BadLines):
    """Bad lines that go to a file, of which the first are told."""

    def __init__(self, file: RejectFile, source: str) -> None:
        super().__init__(source)
        self._file = file

    def add(self, table: Table | None, line: int, cells: Sequence[str], reason: str) -> None:
        """Takes one."""
        reason = in_words(reason)
        super().add(table, line, cells, reason)
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
