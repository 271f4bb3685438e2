"""From records to events: numbers are read, and one attempt is one event.

event                       the first record of an attempt; `repeat`: further ones
called_not_a_number         an attempt at something else, such as an extension
other_method, other_record  a record of something else
receipt                     a report of a message
record_*, time_*, json_*    a record that cannot be read, and may hide an attempt
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import IO

from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.events import RecordEvents
from ringfence.adapters.cdr.record import Entry, Format, NoAttempt
from ringfence.adapters.event_table import AHEAD_S_MAX, Event, Passed, Rejects
from ringfence.wording.dialled import DialPlan
from ringfence.wording.tables import Table
from ringfence.wording.withheld import USUAL, Withheld


class CdrReader:
    """Reads files of one format, in turn. Not for several threads."""

    def __init__(
        self, format_: Format, plan: DialPlan, *, latest: int, withheld: Withheld = USUAL
    ) -> None:
        self._format = format_
        self.latest = latest
        self._events = RecordEvents(plan, withheld)

    def __call__(
        self, file: IO[bytes], rejects: Rejects, skip: int
    ) -> Iterator[tuple[int, Event | Passed | None]]:
        """The count of records so far and what became of each; None = turned away.

        The first `skip` are read, as later ones may repeat them, and not given out.
        """
        for count, entry in enumerate(self._format(file), 1):
            outcome = self._outcome(entry)
            if count <= skip:
                continue
            if isinstance(outcome, str):
                cells = [entry.text] if entry.cells is None else entry.cells
                rejects.add(entry.table, entry.line, cells, outcome)
                yield count, None
            else:
                yield count, outcome

    def remember(self, file: IO[bytes]) -> None:
        """Learns the calls of a file that was sent before: later files may repeat them."""
        for _ in self(file, _NoRejects(), sys.maxsize):
            pass

    def _outcome(self, entry: Entry) -> Event | Passed | str:
        found = entry.found
        if isinstance(found, Unreadable):
            return found.reason
        if isinstance(found, NoAttempt):
            return Passed(str(found), 0)
        if found.occurred_at > self.latest:
            return f"time_ahead: bound=at most {AHEAD_S_MAX} s after the import began"
        return self._events.event(found)


class _NoRejects:
    def add(self, table: Table | None, line: int | str, cells: Sequence[str], reason: str) -> None:
        """They were turned away before."""
