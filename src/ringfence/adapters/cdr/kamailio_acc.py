"""Kamailio's accounting table `acc` or `missed_calls`, exported as CSV with a header.

Called and caller are columns that the operator has added (`db_extra`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from ringfence import EventKind
from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.lines import ReadCells
from ringfence.adapters.cdr.local_time import LocalTimes, unix_seconds
from ringfence.adapters.cdr.record import NoAttempt, Record
from ringfence.adapters.sip import INVITE, MESSAGE
from ringfence.adapters.sip_address import read_address, read_uri
from ringfence.adapters.sip_names import CALL_ID
from ringfence.wording.tables import Table, TableError

COLUMNS = ("method", "callid", "time", "time_attr", "called", "caller")
_NEEDED = ("method", "callid", "called", "caller")
_SCHEMES = ("sip:", "sips:", "tel:")


def kamailio_reader(times: LocalTimes) -> Callable[[Table], ReadCells]:
    """What makes a reader of rows from a header."""

    def reader(table: Table) -> ReadCells:
        places = table.places
        for name in _NEEDED:
            if name not in places:
                raise missing(name)
        if "time" not in places and "time_attr" not in places:
            raise missing("time")
        method, callid, called, caller = (places[name] for name in _NEEDED)
        unix, wall = places.get("time_attr"), places.get("time")

        def read(cells: list[str]) -> Record:
            written = cells[method].strip().upper()
            if not written.isalpha():
                raise Unreadable("record_method")  # such as none: of what, nobody knows
            if written not in (INVITE, MESSAGE):
                raise NoAttempt("other_method")
            if unix is not None and cells[unix]:
                at = unix_seconds(cells[unix])
            elif wall is not None:
                at = times.read(cells[wall])
            else:
                raise Unreadable("time_unreadable")
            call_id = cells[callid].strip().encode("utf-8", "replace")
            return Record(
                user_of(cells[called]),
                user_of(cells[caller]),
                at,
                EventKind.CALL if written == INVITE else None,
                (CALL_ID + call_id,) if call_id else (),
            )

        return read

    return reader


def missing(name: str) -> TableError:
    """A column that must be there is not."""
    return TableError(
        f"line 1: no column {name!r} in the header; --column {name}=NAME says what else it is"
        " called"
    )


def user_of(text: str) -> str:
    """The user part of a URI, also behind a name and in angle brackets; a number or name as it
    stands. Raises Unreadable.
    """
    if "<" in text:
        with suppress(Unreadable):  # else it is no address, and a name as it stands
            text = read_address(text.encode("utf-8", "replace")).uri.decode("utf-8", "replace")
    if text[:5].lower().startswith(_SCHEMES):
        return read_uri(text.encode("utf-8", "replace")).user
    return text
