"""From a report of the script to an attempt, with the outcome of everything read counted.

event, repeat               the first report of a call or message, and further ones
other_method                neither INVITE nor MESSAGE
called_not_a_number         an attempt to reach something else
log_*, address_*, uri_*     a report that cannot be read: it is as if it had never come
note_*                      not an outcome: something worth knowing beside them
"""

from __future__ import annotations

import re
from typing import Any

from ringfence import EventKind
from ringfence.adapters.base import Attempt, Tally, Unreadable
from ringfence.adapters.callers import read_caller
from ringfence.adapters.calls import Calls, Message, Sighting
from ringfence.adapters.hlog import line_of
from ringfence.adapters.sip import INVITE
from ringfence.adapters.sip_names import CALL_ID
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import USUAL, Withheld

_SECONDS = re.compile(r"([0-9]{1,10})(\.[0-9]{0,9})?", re.ASCII)
_HARMLESS = frozenset(("other_method", "called_not_a_number"))


class ReportReader:
    """Reads the reports of one switch; `tally` has their outcomes. Not for several threads."""

    def __init__(self, plan: DialPlan, *, withheld: Withheld = USUAL) -> None:
        self.tally = Tally()
        self._calls = Calls()
        self._plan = plan
        self._withheld = withheld

    def read(self, values: dict[str, Any]) -> Attempt | None:
        """The attempt that a report is the first of; raises Unreadable where it may hide a call."""
        try:
            attempt = self._attempt(values)
        except Unreadable as unreadable:
            self.tally[unreadable.reason] += 1
            if unreadable.reason in _HARMLESS:
                return None
            raise
        self.tally["event" if attempt else "repeat"] += 1
        return attempt

    def _attempt(self, values: dict[str, Any]) -> Attempt | None:
        line = line_of(values)
        called = self._plan.number(line.called)
        if called is None:
            raise Unreadable("called_not_a_number")
        call_id, written = values.get("callid"), _SECONDS.fullmatch(str(values.get("ts")))
        if not isinstance(call_id, str) or not call_id:
            raise Unreadable("log_without_call_id")
        if not written:
            raise Unreadable("log_without_time")
        at = int(written[1])
        caller = read_caller(line.caller or "", self._plan, self._withheld)
        name = CALL_ID + call_id.encode("utf-8", "replace").strip()
        seen = Sighting(called, caller.value, at, (name,), is_message=line.method != INVITE)
        if seen.is_message:
            seen.message = _message(values.get("cseq"))
        if not self._calls.is_first(seen):
            return None
        if line.caller is None:
            self.tally["note_caller_unreadable"] += 1
        kind = EventKind.CALL if line.method == INVITE else caller.message_kind
        return Attempt(called, caller.value, at, kind)


def _message(cseq: Any) -> Message | None:
    """What tells messages with one Call-ID apart (RFC 3428 section 8), where the script says it."""
    text = str(cseq)
    return Message(int(text)) if text.isascii() and text.isdigit() and len(text) < 12 else None
