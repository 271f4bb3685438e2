"""Tables as other programs export them: separators, encodings, compression, names of columns.

A table is read row by row and held nowhere. Bytes that are no text in its encoding are kept as
they are, so that a row which is written again is the same row.
"""

import csv
import difflib
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import IO, cast

from ringfence.wording.numbers import cell_text

DELIMITERS = ",;\t|"
REASON_COLUMN = "rejected_because"
"""The column that a file of rejected rows has more than the table; it is never read."""

_ENCODINGS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_GZIP = b"\x1f\x8b"


def place_text(line: int | str) -> str:
    """Where a row or record stands: its line, or what is said in its place."""
    return f"line {line}" if isinstance(line, int) else line


class TableError(ValueError):
    """It cannot be read as a table from some line on; says which."""


@contextmanager
def text_of(file: IO[bytes]) -> Iterator[Iterator[str]]:
    """The lines of a file: UTF-8 or UTF-16, with a byte order mark or without, perhaps in gzip.

    The file is left open. Raises TableError for what is cut off, damaged or cannot be read, at once
    or in the middle of the lines.
    """
    stream = io.BufferedReader(cast(io.RawIOBase, file))
    unpacked = stream
    try:
        with _in_words():
            if stream.peek(2).startswith(_GZIP):
                unpacked = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream)))
            encoding = _encoding(unpacked.peek(4)[:4])
        errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
        text = io.TextIOWrapper(unpacked, encoding, errors=errors, newline="")
        try:
            yield _lines(text)
        finally:
            text.detach()
    finally:
        if unpacked is not stream:
            unpacked.detach()
        stream.detach()


def _encoding(head: bytes) -> str:
    for mark, encoding in _ENCODINGS:
        if head.startswith(mark):
            return encoding
    if len(head) >= 2 and 0 in head[:2]:  # ASCII in two bytes a character, without a mark
        return "utf-16-le" if head[1] == 0 else "utf-16-be"
    return "utf-8"


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    with _in_words():
        for line in text:  # noqa: UP028 - `yield from` would close the file with the generator
            yield line


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TableError(f"the file is damaged or cut off: {error}") from None
    except OSError as error:
        raise TableError(f"the file cannot be read: {error.strerror}") from None


class Table:
    """The rows behind a header: which column is which, and the cells of each row.

    `columns` are those that are read; `names` says what the table calls some of them, without
    regard to case. Others, as they stand there in `others`, are left alone, unless their names look
    like misspelt ones.
    """

    def __init__(
        self,
        lines: Iterator[str],
        columns: Sequence[str],
        *,
        names: Mapping[str, str] | None = None,
        first_line: int = 1,
    ) -> None:
        """Reads the header, the next of the lines; raises TableError for a doubtful one."""
        self._first_line = first_line
        header_line = next(lines, "") or "\n"
        self.delimiter = max(DELIMITERS, key=header_line.count)
        self._reader = csv.reader(
            chain([header_line], lines), delimiter=self.delimiter, strict=True
        )
        try:
            self.header = next(self._reader)
        except csv.Error as error:
            raise TableError(f"line {first_line}: {error}") from None
        self.places, self.others = self._columns(columns, names or {})

    def _columns(
        self, columns: Sequence[str], names: Mapping[str, str]
    ) -> tuple[dict[str, int], tuple[str, ...]]:
        theirs = {_word(name): column for column, name in names.items()}
        words = [theirs.get(_word(cell)) or _word(cell) for cell in self.header]
        for column, name in names.items():
            if _word(name) not in map(_word, self.header):
                self._check_readable()
                raise self._error(f"no column {name!r} in the header, for {column}")
        written = [cell_text(cell) for cell in self.header]
        for word, cell in zip(words, written, strict=True):
            if word in columns:
                if words.count(word) > 1:
                    raise self._error(f"column {cell!r} stands twice in the header")
            elif close := difflib.get_close_matches(word, columns, n=1, cutoff=0.85):
                raise self._error(f"column {cell!r}: did you mean {close[0]!r}?")
        read = ("", *columns, REASON_COLUMN)
        others = [cell for word, cell in zip(words, written, strict=True) if word not in read]
        return {column: words.index(column) for column in columns if column in words}, tuple(others)

    def _check_readable(self) -> None:
        """A column that is missed may be there in another encoding."""
        if any("\udc80" <= letter <= "\udcff" for cell in self.header for letter in cell):
            raise self._error(
                "the header is not UTF-8: `iconv -f WINDOWS-1252 -t UTF-8` makes it so, if it is"
                " Windows-1252"
            )

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line and cells of each row that is not blank, however many cells it has."""
        try:
            for cells in self._reader:
                if cells and (cells[0] > " " or any(map(str.strip, cells))):
                    yield self._line(), cells
        except csv.Error as error:
            raise self._error(str(error)) from None

    def wrong_width(self, cells: Sequence[str]) -> str:
        """What to say of a row that has more or fewer cells than the header; "" if it has not."""
        if len(cells) == len(self.header):
            return ""
        return f"value={len(cells)} cells, bound={len(self.header)} as in the header"

    def _line(self) -> int:
        return self._first_line - 1 + self._reader.line_num

    def _error(self, text: str) -> TableError:
        return TableError(f"line {self._line()}: {text}")


def plain_lines(lines: Iterable[str], first_line: int = 1) -> Iterator[tuple[int, str]]:
    """Line and text of those that are neither blank nor begin with #."""
    for line, written in enumerate(lines, first_line):
        text = cell_text(written)
        if text and not text.startswith("#"):
            yield line, text


def _word(cell: str) -> str:
    return cell_text(cell).lower().replace(" ", "_")
