"""Events that lie in files: call records as tables, one event a row.

A row that cannot be read is turned away with its reason, and no reason shows what may be a caller.
A caller itself is never turned away, as on the wire, unless a spreadsheet has rounded it: then all
callers look like the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, NamedTuple, Protocol

from ringfence import EventKind, caller_of_text
from ringfence.adapters.callers import CALLER_LIMIT, WITHHELD, read_caller
from ringfence.wording.dialled import digits_of
from ringfence.wording.numbers import (
    ROUNDED,
    WrittenNumbers,
    cell_text,
    is_rounded,
    number_text,
    without_numbers,
)
from ringfence.wording.tables import Table, TableError, text_of
from ringfence.wording.times import ReadTime, parse_time, unix_text
from ringfence.wording.withheld import USUAL, Withheld

AHEAD_S_MAX = 300  # as a server takes events
COLUMNS = ("called", "caller", "occurred_at", "kind")
_CALLERS_KEPT = 8_192  # for as long as a batch
_CALLED_KEPT = 262_144

Event = tuple[int, int, int, int]
"""Called, caller, occurred_at, kind, as `EventStream` takes them."""


class Passed(NamedTuple):
    """A record that is no event and hides none."""

    reason: str
    occurred_at: int
    """Unix seconds; 0 = it does not say."""


class Rejects(Protocol):
    """What takes the rows that are no events, each with its reason."""

    def add(self, table: Table | None, line: int | str, cells: Sequence[str], reason: str) -> None:
        """Takes one; without a table the only cell is the record. In place of a line may be said
        where it stands.
        """


class Reads(Protocol):
    """Reads a file: the count of rows so far and what each is, None for those turned away.

    Of the first `skip` rows nothing is given out. Raises TableError.
    """

    def __call__(
        self, file: IO[bytes], rejects: Rejects, skip: int
    ) -> Iterator[tuple[int, Event | Passed | None]]: ...


@dataclass(frozen=True)
class EventForms:
    """How the files write events."""

    latest: int
    """Unix seconds; a later event is a mistake, no event."""
    written: WrittenNumbers = field(default_factory=WrittenNumbers)
    read_time: ReadTime = parse_time
    kind: EventKind | None = None
    """Of rows that name none."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What the files call their columns."""
    withheld: Withheld = USUAL
    """What stands for a caller without a number."""


def event_table(lines: Iterator[str], forms: EventForms) -> Table:
    """The table that the lines are; raises TableError when a column is missing."""
    table = Table(lines, (*COLUMNS, "at"), names=forms.names)
    for name in COLUMNS:
        known = name in table.places or (name == "kind" and forms.kind is not None)
        if not known and not (name == "occurred_at" and "at" in table.places):
            raise TableError(
                f"line 1: no column {name!r} in the header: bound={', '.join(COLUMNS)}; --column"
                f" {name}=NAME says what else it is called"
                + (", --kind of which kind all events are" if name == "kind" else "")
            )
    return table


def reads_tables(forms: EventForms) -> Reads:
    """Reads files that are tables of events."""

    def read(
        file: IO[bytes], rejects: Rejects, skip: int
    ) -> Iterator[tuple[int, Event | Passed | None]]:
        with text_of(file) as lines:
            yield from events_of(event_table(lines, forms), forms, rejects, skip=skip)

    return read


def events_of(
    table: Table, forms: EventForms, rejects: Rejects, *, skip: int = 0
) -> Iterator[tuple[int, Event | None]]:
    """The count of rows so far and the event of each, None for those turned away.

    Of the first `skip` rows nothing is given out. Raises TableError.
    """
    places = table.places
    called_at, caller_at = places["called"], places["caller"]
    time_at = places.get("occurred_at", places.get("at", 0))
    kind_at = places.get("kind")
    read_called = lru_cache(_CALLED_KEPT)(forms.written.number)
    read_caller_ = _caller_reader(forms)
    read_time, latest = forms.read_time, forms.latest
    kinds = _Kinds(forms.kind)
    width = len(table.header)
    for count, (line, cells) in enumerate(table.rows(), 1):
        if count <= skip:
            continue
        column = "row"
        try:
            if len(cells) != width:
                raise ValueError(table.wrong_width(cells))
            column = "called"
            called = read_called(cells[called_at])
            column = "caller"
            caller = read_caller_(cells[caller_at])
            column = "occurred_at"
            occurred_at = read_time(cells[time_at].strip())
            if occurred_at > latest:
                raise ValueError(
                    f"value={unix_text(occurred_at)}, bound=no later than {unix_text(latest)},"
                    f" {AHEAD_S_MAX} s after the import began"
                )
            column = "kind"
            kind = kinds["" if kind_at is None else cells[kind_at]]
        except ValueError as error:
            rejects.add(table, line, cells, f"{column}: {without_numbers(str(error))}")
            yield count, None
        else:
            yield count, (called, caller, occurred_at, kind)


class _Kinds(dict[str, int]):
    """Kinds by what a cell says; each way of writing one is looked at once."""

    def __init__(self, default: EventKind | None) -> None:
        super().__init__({kind.name: int(kind) for kind in EventKind if kind})
        if default is not None:
            self[""] = int(default)

    def __missing__(self, cell: str) -> int:
        name = cell_text(cell).upper()
        found = self.get(name)
        if found is None:
            names = ", ".join(kind.name for kind in EventKind if kind)
            raise ValueError(f"value={name[:40]!r}, bound={names}")
        return found


def _caller_reader(forms: EventForms) -> Callable[[str], int]:
    """Reads callers; the same one again is quick, for as long as a batch remembers it."""
    known: dict[str, int] = {}

    def read(cell: str) -> int:
        found = known.get(cell)
        if found is None:
            if len(known) >= _CALLERS_KEPT:
                known.clear()
            found = known[cell] = _caller(number_text(cell), forms)
        return found

    return read


def _caller(text: str, forms: EventForms) -> int:
    if is_rounded(text):
        raise ValueError(ROUNDED)
    if forms.written.plan is not None:
        return read_caller(text, forms.written.plan, forms.withheld).value
    if forms.withheld.covers(text):
        return WITHHELD
    digits = digits_of(text).removeprefix("+")
    if digits and len(digits) < len(str(CALLER_LIMIT)):
        return int(digits)
    return caller_of_text(text)
