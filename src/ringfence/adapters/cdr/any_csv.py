"""Any CSV with a header that has, under whatever names, called, caller and a time."""

from __future__ import annotations

from collections.abc import Callable

from ringfence import EventKind
from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.kamailio_acc import missing, user_of
from ringfence.adapters.cdr.lines import ReadCells
from ringfence.adapters.cdr.record import Record
from ringfence.wording.numbers import is_rounded, number_text
from ringfence.wording.tables import Table
from ringfence.wording.times import ReadTime

COLUMNS = ("called", "caller", "occurred_at", "kind", "call_id")
_KINDS = {kind.name: kind for kind in EventKind if kind}


def csv_reader(read_time: ReadTime, default: EventKind | None) -> Callable[[Table], ReadCells]:
    """What makes a reader of rows from a header; `default` is the kind of rows that name none."""

    def reader(table: Table) -> ReadCells:
        places = table.places
        for name in ("called", "caller", "occurred_at"):
            if name not in places:
                raise missing(name)
        if "kind" not in places and default is None:
            raise missing("kind")
        called, caller, time = (places[name] for name in ("called", "caller", "occurred_at"))
        kind_at, call_id = places.get("kind"), places.get("call_id")

        def read(cells: list[str]) -> Record:
            word = "" if kind_at is None else cells[kind_at].strip().upper()
            kind = _KINDS.get(word) if word else default
            if kind is None:
                raise Unreadable("kind_unknown")
            try:
                at = read_time(cells[time].strip())
            except ValueError:
                raise Unreadable("time_unreadable") from None
            name = b"" if call_id is None else cells[call_id].strip().encode("utf-8", "replace")
            return Record(
                _number(cells[called]),
                _number(cells[caller]),
                at,
                kind,
                (b"n:" + name,) if name else (),
            )

        return read

    return reader


def _number(cell: str) -> str:
    # Quotes around a cell go, but not those around a name in front of an address.
    text = number_text(user_of(cell) if "<" in cell else cell)
    if is_rounded(text):
        raise Unreadable("record_number_rounded")
    return user_of(text)
