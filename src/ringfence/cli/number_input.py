"""Numbers as operators have them: arguments, ranges, text files and exported CSV files.

Everything is read and checked before anything is sent, and held in arrays: a million numbers with
their dates take 20 MB. The first line of a file decides: a number or a range makes it text, one to
a line; a header that names a column `number` makes it CSV.
"""

import csv
import difflib
import io
import re
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import IO

import click
import numpy as np
import numpy.typing as npt

from ringfence.engine.number import parse_number
from ringfence.engine.words import DisconnectReason
from ringfence.wording.times import parse_time

_RANGE = re.compile(r"\+?[0-9]+-\+?[0-9]*", re.ASCII)
NUMBERS_MAX = 50_000_000  # 400 MB of arrays; no switch has so many in quarantine
DELIMITERS = ",;\t|"


class InputError(click.ClickException):
    """What was typed or read is no list of numbers; nothing has been sent."""

    exit_code = 2


@dataclass(frozen=True)
class Numbers:
    """Numbers in the order given, and what a CSV file says of each; 0 and "" = it does not say."""

    number: npt.NDArray[np.uint64]
    quarantined_at: npt.NDArray[np.uint32]
    observed_since: npt.NDArray[np.uint32]
    reason: npt.NDArray[np.uint8]
    pool: npt.NDArray[np.uint16]
    pool_names: tuple[str, ...]
    """`pool` holds indexes into these; the first is "", for rows that name none."""
    ignored_columns: tuple[str, ...]


def parse_numbers(text: str) -> tuple[int, int]:
    """First and last of the numbers that `+A` or `+A-+B` writes; raises ValueError."""
    if not _RANGE.fullmatch(text):
        number = _number(text)
        return number, number
    first_text, _, last_text = text.partition("-")
    first, last = _number(first_text), _number(last_text)
    if last < first:
        raise ValueError(f"range runs backwards: value={text[:40]!r}, bound=+A-+B with A <= B")
    if last - first >= NUMBERS_MAX:
        raise ValueError(f"range too large: numbers={last - first + 1}, limit={NUMBERS_MAX}")
    return first, last


def _number(text: str) -> int:
    if text.isdigit():
        raise ValueError(f"numbers are written with +: value={text[:40]!r}")
    return parse_number(text)


def numbers_of_arguments(arguments: Iterable[str]) -> Numbers:
    """The numbers typed on the command line; raises InputError."""
    rows = _Rows()
    for argument in arguments:
        try:
            rows.add(*parse_numbers(argument))
        except ValueError as error:
            raise InputError(str(error)) from None
    return rows.numbers()


def numbers_of_lines(lines: Iterable[str], source: str) -> Numbers:
    """The numbers of a text or CSV file; raises InputError with file and line."""
    rest = iter(lines)
    rows = _Rows()
    for line_number, line in enumerate(rest, 1):
        text = line.removeprefix("\ufeff").strip()
        if text and not text.startswith("#"):
            read = _read_text if text[0] in "+0123456789" else _read_csv
            read(chain([text + "\n"], rest), rows, source, line_number)
            break
    if not rows.number:
        raise InputError(f"{source}: no number in it")
    return rows.numbers()


def read_numbers(arguments: Sequence[str], file: IO[bytes] | None) -> Numbers:
    """The numbers of a command: its arguments, `-` for standard input, or `--file`.

    Raises InputError, and click.UsageError unless there is exactly one source.
    """
    if "-" in arguments:
        if len(arguments) > 1 or file is not None:
            raise click.UsageError("- reads standard input and stands alone")
        file, source = sys.stdin.buffer, "standard input"
    elif file is not None:
        if arguments:
            raise click.UsageError("give numbers or --file, not both")
        source = file.name
    if file is not None:
        # Only ASCII cells are read; a customer's name in another encoding does no harm.
        text = io.TextIOWrapper(file, "utf-8", errors="replace", newline="")
        try:
            return numbers_of_lines(text, source)
        finally:
            text.detach()
    if not arguments:
        raise click.UsageError("give numbers, ranges +A-+B, --file FILE, or - for standard input")
    return numbers_of_arguments(arguments)


@dataclass
class _Rows:
    """Growing arrays, one value a number in each."""

    number: "array[int]" = field(default_factory=lambda: array("Q"))
    quarantined_at: "array[int]" = field(default_factory=lambda: array("I"))
    observed_since: "array[int]" = field(default_factory=lambda: array("I"))
    reason: "array[int]" = field(default_factory=lambda: array("B"))
    pool: "array[int]" = field(default_factory=lambda: array("H"))
    pool_indexes: dict[str, int] = field(default_factory=lambda: {"": 0})
    ignored_columns: tuple[str, ...] = ()

    def add(
        self,
        first: int,
        last: int,
        *,
        quarantined_at: int = 0,
        observed_since: int = 0,
        reason: int = 0,
        pool: str = "",
    ) -> None:
        """Adds first to last, all with the same particulars; raises ValueError when too many."""
        count = last - first + 1
        if len(self.number) + count > NUMBERS_MAX:
            raise ValueError(f"too many numbers: limit={NUMBERS_MAX}")
        pool_index = self.pool_indexes.setdefault(pool, len(self.pool_indexes))
        if pool_index > 0xFFFF:
            raise ValueError(f"too many pools: limit={0xFFFF}")
        self.number.extend(range(first, last + 1))
        self.quarantined_at.extend((quarantined_at,) * count)
        self.observed_since.extend((observed_since,) * count)
        self.reason.extend((reason,) * count)
        self.pool.extend((pool_index,) * count)

    def numbers(self) -> Numbers:
        """The rows as numpy arrays."""
        return Numbers(
            np.frombuffer(self.number, np.uint64),
            np.frombuffer(self.quarantined_at, np.uint32),
            np.frombuffer(self.observed_since, np.uint32),
            np.frombuffer(self.reason, np.uint8),
            np.frombuffer(self.pool, np.uint16),
            tuple(self.pool_indexes),
            self.ignored_columns,
        )


def _read_text(lines: Iterable[str], rows: _Rows, source: str, first_line: int) -> None:
    for line_number, line in enumerate(lines, first_line):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            rows.add(*parse_numbers(text))
        except ValueError as error:
            hint = (
                "; a file with more columns needs a header line with a column `number`"
                if any(delimiter in text for delimiter in DELIMITERS)
                else ""
            )
            raise InputError(f"{source}, line {line_number}: {error}{hint}") from None


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


def _read_csv(lines: Iterator[str], rows: _Rows, source: str, first_line: int) -> None:
    header_line = next(lines)
    delimiter = max(DELIMITERS, key=header_line.count)
    reader = csv.reader(chain([header_line], lines), delimiter=delimiter, strict=True)
    try:
        header = [cell.strip().lower().replace(" ", "_") for cell in next(reader)]
        columns = _columns(header)
        rows.ignored_columns = tuple(
            name for name in header if name and name != "number" and name not in columns
        )
        number_index = header.index("number")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise ValueError(f"columns={len(cells)}, bound={len(header)} as in the header")
            particulars = {
                name: _COLUMNS[name](text)
                for name, index in columns.items()
                if (text := cells[index].strip())
            }
            first_number, last_number = parse_numbers(cells[number_index].strip())
            rows.add(first_number, last_number, **particulars)  # type: ignore[arg-type]
    except (ValueError, csv.Error) as error:
        raise InputError(f"{source}, line {first_line - 1 + reader.line_num}: {error}") from None


def _columns(header: list[str]) -> dict[str, int]:
    """Where the header has the columns that are read; raises ValueError for a doubtful header."""
    if "number" not in header:
        raise ValueError(
            f"value={','.join(header)[:40]!r}, bound=a number with +, a range +A-+B,"
            " or a CSV header with a column `number`"
        )
    known = ("number", *_COLUMNS)
    for name in header:
        if name in known:
            if header.count(name) > 1:
                raise ValueError(f"column {name!r} stands twice in the header")
        elif close := difflib.get_close_matches(name, known, n=1, cutoff=0.85):
            raise ValueError(f"column {name!r}: did you mean {close[0]!r}?")
    return {name: header.index(name) for name in _COLUMNS if name in header}
