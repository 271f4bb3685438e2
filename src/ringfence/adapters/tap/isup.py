"""ISUP and BICC (Q.763, Q.1902.3): an IAM sets a call up, whatever becomes of it.

A called number may come in pieces: an IAM that does not end it (Q.763 3.9 f) waits some seconds for
the SAMs of its circuit, and counts from its own time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from ringfence import EventKind
from ringfence.adapters.callers import NOBODY, Caller
from ringfence.adapters.tap.packets import Fields, SignallingMessage, whole_of
from ringfence.adapters.tap.seen import Nothing, Seen, Told
from ringfence.adapters.tap.written import called_of, caller_of, isup_text
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_INITIAL, _SUBSEQUENT = 1, 2
_TEST_CALL = 13  # Q.763 3.11: the operator's own
_DIGITS_WAIT_S = 6  # T10, Q.764: 4 to 6 s after the latest digits
_CIRCUITS_MAX = 65_536

Circuit = tuple[str, ...]


@dataclass(slots=True)
class _Opened:
    at: float
    last_at: float
    digits: str
    nature: int
    caller: Caller
    link: tuple[str, ...]


class Circuits:
    """Calls that are set up digit by digit."""

    def __init__(self, plan: DialPlan, withheld: Withheld) -> None:
        self._plan = plan
        self._withheld = withheld
        self._open: OrderedDict[Circuit, _Opened] = OrderedDict()

    def read(self, message: SignallingMessage) -> Iterator[Seen]:
        """What a message tells of; raises Nothing."""
        circuit = (*message.link[-2:], message.get("isup.cic") or message.get("bicc.cic") or "")
        what = message.whole("isup.message_type")
        if what == _SUBSEQUENT:
            yield from self._more(circuit, message)
            return
        if what != _INITIAL:
            raise Nothing("other_isup")
        if message.whole("isup.calling_partys_category") == _TEST_CALL:
            raise Nothing("test_call")
        digits = message.get("isup.called")
        if digits is None:
            raise Nothing("isup_without_called")
        nature = message.whole("isup.called_party_nature_of_address_indicator")
        caller = calling_party(message.fields, self._plan, self._withheld)
        opened = _Opened(message.at, message.at, digits, nature, caller, message.link)
        if before := self._open.pop(circuit, None):
            if before.digits == digits and before.caller == caller:
                opened.at = before.at  # the same again
            else:
                yield from self._seen(circuit, before)
        if digits.upper().endswith("F"):
            yield from self._seen(circuit, opened)
            return
        self._open[circuit] = opened
        if len(self._open) > _CIRCUITS_MAX:
            yield from self._seen(*self._open.popitem(last=False))

    def due(self, now: float) -> Iterator[Seen]:
        """Calls of which no digits have come for long enough."""
        while self._open:
            circuit, opened = next(iter(self._open.items()))
            if now - opened.last_at < _DIGITS_WAIT_S:
                return
            del self._open[circuit]
            yield from self._seen(circuit, opened)

    def waits_since(self, now: float) -> float:
        """When the earliest call began that waits for digits; or `now`."""
        return min((opened.at for opened in self._open.values()), default=now)

    def _more(self, circuit: Circuit, message: SignallingMessage) -> Iterator[Seen]:
        opened = self._open.get(circuit)
        if opened is None:
            raise Nothing("isup_without_beginning")
        opened.digits += message.get("isup.subsequent_number") or ""
        opened.last_at = message.at
        self._open.move_to_end(circuit)
        if opened.digits.upper().endswith("F"):
            yield from self._seen(circuit, self._open.pop(circuit))

    def _seen(self, circuit: Circuit, opened: _Opened) -> Iterator[Seen]:
        called = called_of(isup_text(opened.digits, opened.nature, self._plan), self._plan)
        if called is not None:
            yield Seen(
                Told.CALL,
                called,
                opened.caller,
                leg=(*circuit[:2], "isup"),
                request=hash(circuit) or 1,
                kind=EventKind.CALL,
                at=opened.at,
            )


def calling_party(fields: Fields, plan: DialPlan, withheld: Withheld) -> Caller:
    """Who calls. Other numbers of the same message write the same indicators: those just before the
    calling party's digits are its own."""
    nature, shown = -1, False
    for name, value in fields:
        if name == "isup.calling_party_nature_of_address_indicator":
            nature = whole_of(value)
        elif name == "isup.address_presentation_restricted_indicator":
            shown = value == "0"
        elif name == "isup.calling":
            if not shown:
                return NOBODY
            return caller_of(isup_text(value, nature, plan), value, plan, withheld)
    return NOBODY
