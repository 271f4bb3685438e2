"""What becomes of each line that comes live: an event, a claim, or time that is lost.

event                       an attempt
repeat                      the same attempt again, known by its id
called_not_a_number         an attempt to reach something else
heard                       until when everything was heard
json_*, line_*, NAME_*      a line that cannot be read, by reason; its time is lost
note_*                      not an outcome: something worth knowing beside them
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ringfence import EventKind
from ringfence.adapters.base import EventSink, Tally
from ringfence.adapters.cdr.events import RecordEvents
from ringfence.adapters.cdr.record import Record
from ringfence.adapters.event_table import AHEAD_S_MAX, Passed
from ringfence.adapters.ndjson.hearing import Hearing
from ringfence.adapters.ndjson.line import (
    BadLine,
    Heard,
    object_of,
    read_values,
    unknown_members,
)
from ringfence.adapters.ndjson.records import too_long
from ringfence.event_batch import SentEvent
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import USUAL, Withheld


class Desk:
    """Where lines are handed in, in their order. Not for several threads."""

    def __init__(
        self,
        sink: EventSink,
        hearing: Hearing,
        plan: DialPlan,
        *,
        withheld: Withheld = USUAL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.tally = Tally()
        self._sink = sink
        self._hearing = hearing
        self._events = RecordEvents(plan, withheld)
        self._clock = clock

    async def take_line(self, octets: bytes | None) -> str:
        """Takes a line, None = one that was too long; see `take`."""
        try:
            values = self._object(octets)
        except BadLine as bad:
            self.miss(bad)
            raise
        return await self.take(values)

    async def take(self, values: object) -> str:
        """Takes what a line holds, and returns its outcome; waits for room.

        Raises BadLine, counted, and what stopped the sink.
        """
        try:
            found = self._read(values)
        except BadLine as bad:
            self.miss(bad)
            raise
        if unknown_members(values):
            self.tally["note_members_unknown"] += 1
        if isinstance(found, Heard):
            self._hearing.heard(found, self._clock())
            outcome = "heard"
        else:
            outcome = await self._take_record(found)
        self.tally[outcome] += 1
        return outcome

    def miss(self, bad: BadLine) -> None:
        """Counts what cannot be read, and loses its time."""
        self.tally[bad.reason] += 1
        self._hearing.missed(bad.occurred_at, self._clock())

    def lost(self, events: Sequence[SentEvent]) -> None:
        """The server did not take these: an `id` is remembered for what is safe, or may be yet."""
        self._events.forget({event.called for event in events})

    def look(self) -> None:
        """Counts what nothing else announces."""
        if early := self._events.forgotten_early:
            self.tally["note_ids_forgotten"] = early

    def _object(self, octets: bytes | None) -> object:
        if octets is None:
            raise too_long()
        return object_of(octets)

    def _read(self, values: object) -> Record | Heard:
        found = read_values(values)
        latest = int(self._clock()) + AHEAD_S_MAX
        if isinstance(found, Heard):
            if found.until > latest:
                raise _ahead("heard_to")
        elif found.occurred_at > latest:
            raise _ahead("occurred_at")
        return found

    async def _take_record(self, record: Record) -> str:
        event = self._events.event(record)
        if isinstance(event, Passed):
            return event.reason
        called, caller, at, kind = event
        await self._sink.send_wait(called, caller, at, EventKind(kind))
        return "event"


def _ahead(name: str) -> BadLine:
    return BadLine(f"{name}_ahead", f"{name}: value=later, bound=at most {AHEAD_S_MAX} s after now")
