"""A history from two CSV files: the numbers, and the events that came to them."""

import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.progress import Progress

from ringfence.engine.settings.policy import DAY_S
from ringfence.engine.words import DisconnectReason, EventKind
from ringfence.simulation.csv_rows import Column, NotRead, csv_rows
from ringfence.simulation.generated import WAS
from ringfence.simulation.history import Heard, HistoryError, Numbers
from ringfence.simulation.recorded import (
    WAS_BY_KIND,
    Columns,
    RecordedHistory,
    first_copies,
    places_of,
)
from ringfence.simulation.traffic.events import TrueClass, text_caller
from ringfence.wording.numbers import (
    ROUNDED,
    WrittenNumbers,
    is_rounded,
    number_text,
)
from ringfence.wording.times import ReadTime, format_time, parse_time
from ringfence.wording.withheld import USUAL

COLUMNS = (
    *("number", "quarantined_at", "reason"),
    *("called", "caller", "occurred_at", "kind", "arrived_at", "class"),
)
"""What the files may have, of the one and of the other."""

_CALLER = re.compile(r"\+?([0-9]{1,15})", re.ASCII)
_AHEAD_S_MAX = 300  # as a server takes events


@dataclass(frozen=True)
class Forms:
    """How the files write numbers and times, and what they call their columns."""

    written: WrittenNumbers = field(default_factory=WrittenNumbers)
    read_time: ReadTime = parse_time
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LeftOut:
    """How much the files have that is not in the history."""

    unknown_events: int
    """Of numbers that are not in the list."""
    early_events: int
    """Before their numbers were in quarantine."""
    late_numbers: int
    """In quarantine only after the day of the last event: nobody knows whether anybody called."""


def imported_history(
    numbers_file: Path,
    events_file: Path,
    *,
    now: int,
    not_read: NotRead,
    progress: Progress,
    forms: Forms | None = None,
) -> tuple[RecordedHistory, LeftOut]:
    """The history of two files, and what they have that it does not.

    It ends with the day, UTC, of the last event, for after it nobody knows whether anybody
    listened, and without any event with the day of the last quarantine. No time may lie more than
    300 s after `now`. `not_read` is told of each file the columns that are not read, and bars show
    how far each is. Raises HistoryError.
    """
    forms = forms or Forms()
    time = _times_until(now + _AHEAD_S_MAX, forms.read_time)
    reading = _Reading(forms, time, not_read, progress)
    number, quarantined_at, reason = _read_numbers(numbers_file, reading)
    events = _Events(events_file, reading)
    newest = events.occurred_at if events.occurred_at.size else quarantined_at
    ends_at = (int(newest.max()) // DAY_S + 1) * DAY_S
    entered = quarantined_at < ends_at
    if not entered.any():
        raise HistoryError(
            f"{numbers_file}: no number is in quarantine before the events end:"
            f" quarantined_at={_text(int(quarantined_at.min()))} or later, bound={_text(ends_at)}"
        )
    place = places_of(number, events.called)
    known = place >= 0
    counts = known.copy()
    counts[known] = events.occurred_at[known] >= quarantined_at[place[known]]
    order = np.flatnonzero(counts)[np.argsort(events.arrived_at[counts], kind="stable")]
    called, caller, was = events.called[order], events.caller[order], events.was[order]
    occurred_at, arrived_at = events.occurred_at[order], events.arrived_at[order]
    kind = events.kind[order]
    place = places_of(number[entered], called)
    background_only = np.ones(np.count_nonzero(entered), np.bool_)
    background_only[place[was != 0]] = False

    def heard(part: slice) -> Heard:
        return Heard(called[part], caller[part], occurred_at[part], kind[part])

    history = RecordedHistory(
        Numbers(
            number[entered],
            quarantined_at[entered],
            quarantined_at[entered],
            reason[entered],
            background_only if events.has_classes else None,
        ),
        Columns(
            place,
            occurred_at,
            arrived_at,
            was,
            first_copies(called, caller, occurred_at, kind),
        ),
        heard,
        ends_at=ends_at,
        knows_classes=events.has_classes,
    )
    return history, LeftOut(
        unknown_events=int(np.count_nonzero(~known)),
        early_events=int(np.count_nonzero(known & ~counts)),
        late_numbers=int(np.count_nonzero(~entered)),
    )


class _Reading(NamedTuple):
    """What both files are read with."""

    forms: Forms
    time: Column
    not_read: NotRead
    progress: Progress

    def rows(
        self, path: Path, required: Mapping[str, Column], optional: Mapping[str, Column]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows of a file with these columns."""
        known = {*required, *optional}
        names = {column: name for column, name in self.forms.names.items() if column in known}
        return csv_rows(path, required, optional, self.not_read, self.progress, names=names)


def _read_numbers(path: Path, reading: _Reading) -> tuple[Any, Any, Any]:
    """Numbers ascending, their quarantined_at and reasons."""
    numbers, times, reasons = array("Q"), array("I"), array("B")
    lines: dict[int, int] = {}
    required = {"number": reading.forms.written.number, "quarantined_at": reading.time}
    for line, row in reading.rows(path, required, {"reason": _reason}):
        first = lines.setdefault(row["number"], line)
        if first != line:
            raise HistoryError(
                f"{path}, line {line}: number: value=+{row['number']}, bound=once in the file;"
                f" line {first} has it too"
            )
        numbers.append(row["number"])
        times.append(row["quarantined_at"])
        reasons.append(row.get("reason", 0))
    if not numbers:
        raise HistoryError(f"{path}: no number in it")
    order = np.argsort(np.frombuffer(numbers, np.uint64))
    return (
        np.frombuffer(numbers, np.uint64)[order],
        np.frombuffer(times, np.uint32)[order],
        np.frombuffer(reasons, np.uint8)[order],
    )


class _Events:
    """The columns of the file of events, as they stand there."""

    def __init__(self, path: Path, reading: _Reading) -> None:
        called, caller = array("Q"), array("Q")
        occurred_at, arrived_at = array("I"), array("I")
        kind, true_class = array("i"), array("B")
        written, time = reading.forms.written, reading.time
        required: dict[str, Column] = {
            "called": written.number,
            "caller": partial(_caller, written),
            "occurred_at": time,
            "kind": _kind,
        }
        optional = {"arrived_at": time, "class": _class}
        for line, row in reading.rows(path, required, optional):
            called.append(row["called"])
            caller.append(row["caller"])
            occurred_at.append(row["occurred_at"])
            arrived_at.append(row.get("arrived_at", row["occurred_at"]))
            if arrived_at[-1] < occurred_at[-1]:
                raise HistoryError(
                    f"{path}, line {line}: arrived_at: value={_text(arrived_at[-1])},"
                    f" bound=not before occurred_at, {_text(occurred_at[-1])}"
                )
            kind.append(row["kind"])
            if "class" in row:
                true_class.append(row["class"])
        self.called = np.frombuffer(called, np.uint64)
        self.caller = np.frombuffer(caller, np.uint64)
        self.occurred_at = np.frombuffer(occurred_at, np.uint32)
        self.arrived_at = np.frombuffer(arrived_at, np.uint32)
        self.kind = np.frombuffer(kind, np.int32)
        self.has_classes = bool(true_class)
        self.was = (
            WAS[np.frombuffer(true_class, np.uint8)] if self.has_classes else WAS_BY_KIND[self.kind]
        )


def _caller(written: WrittenNumbers, text: str) -> int:
    """As in the contract: withheld, a number with or without +, or a sender's text.

    A caller is never refused, unless it was rounded, so none is ever in an error of this column.
    """
    text = number_text(text)
    if USUAL.covers(text):
        return 0
    if is_rounded(text):
        raise ValueError(ROUNDED)
    if written.plan is not None and (known := written.plan.number(text)) is not None:
        return known
    number = _CALLER.fullmatch(text)
    return int(number[1]) if number else text_caller(text)


def _times_until(latest: int, read_time: ReadTime) -> Column:
    """A column of times; one of the future would stretch the history, and all would look silent."""
    bound = f"no more than {_AHEAD_S_MAX} s after now, {_text(latest - _AHEAD_S_MAX)}"

    def read(text: str) -> int:
        moment = read_time(text)
        if moment > latest:
            raise ValueError(f"value={text[:40]!r}, bound={bound}")
        return moment

    return read


def _text(moment: int) -> str | None:
    return format_time(datetime.fromtimestamp(moment, UTC))


def _words(words: type[IntEnum]) -> Callable[[str], int]:
    by_name = {word.name: int(word) for word in words if word}

    def read(text: str) -> int:
        found = by_name.get(text.upper())
        if found is None:
            raise ValueError(f"value={text[:40]!r}, bound={', '.join(by_name)}")
        return found

    return read


_kind = _words(EventKind)
_class = _words(TrueClass)
_known_reason = _words(DisconnectReason)


def _reason(text: str) -> int:
    return _known_reason(text) if text else 0
