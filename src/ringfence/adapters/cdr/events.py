"""From a record to its event: numbers are read, and one attempt is one event."""

from __future__ import annotations

from collections.abc import Set
from functools import lru_cache

from ringfence import EventKind
from ringfence.adapters.callers import Caller, read_caller
from ringfence.adapters.calls import Calls, Sighting
from ringfence.adapters.cdr.record import Record
from ringfence.adapters.event_table import Event, Passed
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import USUAL, Withheld

_KEPT = 262_144
_MESSAGES = frozenset((EventKind.SMS, EventKind.A2P_SMS, EventKind.MMS))


class RecordEvents:
    """Remembers the attempts of late. Not for several threads."""

    def __init__(self, plan: DialPlan, withheld: Withheld = USUAL) -> None:
        self._calls = Calls()
        self._number = lru_cache(_KEPT)(plan.number)
        self._caller = lru_cache(_KEPT)(lambda text: read_caller(_whole(text), plan, withheld))

    @property
    def forgotten_early(self) -> int:
        """Attempts that had to go for want of room while they could still come again."""
        return self._calls.forgotten_early

    def forget(self, numbers: Set[int]) -> None:
        """Has attempts at these numbers be new when they come again, as some there were lost."""
        self._calls.forget(numbers)

    def event(self, found: Record) -> Event | Passed:
        """The event of a record, or why it is none."""
        called = self._number(found.called)
        if called is None:
            return Passed("called_not_a_number", found.occurred_at)
        caller: Caller | None = None if found.caller is None else self._caller(found.caller)
        seen = Sighting(
            called,
            None if caller is None else caller.value,
            found.occurred_at,
            found.names,
            found.hint,
            leg=found.leg,
            is_message=found.kind is None or found.kind in _MESSAGES,
        )
        if not self._calls.is_first(seen):
            return Passed("repeat", found.occurred_at)
        kind = found.kind or (EventKind.SMS if caller is None else caller.message_kind)
        return called, caller.value if caller else 0, found.occurred_at, int(kind)


def _whole(text: str) -> str:
    """A caller as a text that can be written: what is not UTF-8 is taken octet by octet."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("latin-1")
    return text
