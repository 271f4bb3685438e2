"""One attempt is one event, whatever protocols and hops tell of it.

`calls.py` says which sightings are of one attempt. A sighting that carries no caller waits some
seconds for one that does, and so does a question where somebody is (Cx LIR), which may be for a
call or for a message: a message to that number that is seen then, or was seen, answers it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from ringfence import EventKind
from ringfence.adapters.base import Attempt
from ringfence.adapters.callers import WITHHELD, Caller
from ringfence.adapters.calls import Calls, Message, Sighting
from ringfence.adapters.tap.seen import Seen, Told

HOLD_S = 10
HELD_MAX = 65_536


@dataclass(slots=True)
class _Held:
    called: int
    at: float
    kind: EventKind | None
    asked: bool
    until: float
    caller: Caller | None = field(default=None, repr=False)

    def attempt(self) -> Attempt:
        caller = self.caller.value if self.caller else WITHHELD
        kind = self.kind or (self.caller.message_kind if self.caller else EventKind.SMS)
        return Attempt(self.called, caller, int(self.at), kind)


class Attempts:
    """Sightings become attempts; in bounded memory, for one thread."""

    def __init__(self, *, hold_s: float = HOLD_S) -> None:
        self._calls = Calls()
        self._hold_s = hold_s
        self._held: OrderedDict[Hashable, _Held] = OrderedDict()
        self._asked: dict[int, Hashable] = {}
        """Of each number, the question that is held."""
        self._answered: OrderedDict[Hashable, float] = OrderedDict()
        """Questions that another request has answered, and until when that is remembered."""
        self._others: OrderedDict[Hashable, float] = OrderedDict()
        """Numbers at which a request that is no attempt was seen, and when."""

    def see(self, seen: Seen, at: float) -> Iterator[Attempt | str]:
        """Takes a sighting at `at`, unix seconds; what is an attempt now, and the names of outcomes
        of sightings that are none.
        """
        first_at = at if seen.at is None else seen.at
        if seen.told is Told.OTHER:
            if self._answer(seen.called, at) is not None:
                yield "repeat"
            self._others[seen.called] = at
            self._others.move_to_end(seen.called)
            yield "other_method"
            return
        if seen.told is Told.ASKED and self._is_answered(seen.called, at):
            yield "repeat"
            return
        if seen.told is Told.MESSAGE:
            asked_at = self._answer(seen.called, at)
            if asked_at is not None:
                yield "repeat"
                first_at = min(first_at, asked_at)
        call, is_first = self._calls.meet(_sighting(seen, first_at))
        if not is_first and seen.told is Told.CALL:
            is_first = self._answered.pop(call, None) is not None
        if not is_first:
            yield "repeat"
            if held := self._held.get(call):
                yield from self._joined(call, held, seen, first_at)
            return
        held = _Held(
            seen.called,
            first_at,
            seen.kind,
            seen.told is Told.ASKED,
            at + self._hold_s,
            seen.caller,
        )
        if seen.caller is not None:
            yield held.attempt()
            return
        self._held[call] = held
        if held.asked:
            self._asked[seen.called] = call
        if len(self._held) > HELD_MAX:
            yield self._release(next(iter(self._held)))

    def due(self, now: float) -> Iterator[Attempt]:
        """Attempts whose caller nobody has told for long enough."""
        while self._held:
            call, held = next(iter(self._held.items()))
            if held.until > now:
                break
            yield self._release(call)
        for kept, until in ((self._answered, now), (self._others, now - self._hold_s)):
            while kept and next(iter(kept.values())) < until:
                kept.popitem(last=False)

    def waits_since(self, now: float) -> float:
        """When the earliest attempt was that waits for its caller; or `now`."""
        return min((held.at for held in self._held.values()), default=now)

    def _is_answered(self, called: int, at: float) -> bool:
        """Whether a request that is no call was why somebody asked for a user."""
        other_at = self._others.get(called)
        if other_at is not None and at - other_at <= self._hold_s:
            return True
        return self._calls.saw_message(called, int(at))

    def _answer(self, called: int, at: float) -> float | None:
        """Drops the question for a user that a request has answered; when it was asked."""
        asked = self._asked.pop(called, None)
        held = None if asked is None else self._held.pop(asked, None)
        if asked is None or held is None:
            return None
        self._answered[asked] = at + self._hold_s
        return held.at

    def _joined(self, call: Hashable, held: _Held, seen: Seen, at: float) -> Iterator[Attempt]:
        held.at = min(held.at, at)
        if seen.kind is EventKind.VIDEO:
            held.kind = EventKind.VIDEO
        if seen.told is not Told.ASKED:
            held.asked = False
            self._asked.pop(held.called, None)
        if seen.caller is not None:
            held.caller = seen.caller
            yield self._release(call)

    def _release(self, call: Hashable) -> Attempt:
        held = self._held.pop(call)
        if self._asked.get(held.called) is call:
            del self._asked[held.called]
        return held.attempt()


def _sighting(seen: Seen, at: float) -> Sighting:
    is_message = seen.told is Told.MESSAGE
    return Sighting(
        seen.called,
        None if seen.caller is None else seen.caller.value,
        int(at),
        seen.names,
        leg=hash(seen.leg),
        request=seen.request,
        is_message=is_message,
        message=Message(seen.sequence, dialogue=seen.dialogue) if is_message else None,
    )
