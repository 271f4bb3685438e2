"""One attempt is one event: which sighting of a call or message is the first.

An attempt is seen many times: retransmissions (RFC 3261 17.1.1.2), the same request again with
credentials (22.2: same Call-ID, CSeq one higher), copies from each hop and from each capture agent,
log lines beside the SIP. These share the Call-ID. They need not share the request URI, which hops
rewrite, so it is compared as a number, nor From and its tag: 8.1.3.5 only says that they should
stay, and a hop that acts for the caller writes its own.

A back-to-back agent makes the next leg of a call with a Call-ID of its own. Legs are one attempt
when something names both: Session-ID, the charging id, the other leg's Call-ID (`Sighting.names`).
Where nothing does, they are one when number and class (call or message) are the same, callers agree
or one leg carries none, and they are a few seconds apart, over another leg: the same caller over
the same leg again has tried again, and what carries no caller has nobody who could. A caller who
withholds a number is one like that, and no other.

A call that is passed on to *another* number (diverted, redirected, dialled digit by digit) is an
attempt at each number it reaches, and one event at each. What a hop makes of a number by putting a
routing prefix in front is no number in quarantine and therefore harms nobody, while letting
whichever copy arrives first decide would, with UDP's order, lose the real one.

Messages differ: RFC 3428 section 8 allows one Call-ID for a series of them with growing CSeq. Two
MESSAGEs are one if they have the same CSeq, or if they are neighbours in CSeq with the same body
and the later one brings credentials that the earlier one lacks: the authentication repeat. Between
Call-IDs CSeq says nothing, and the body decides. Order of arrival plays no part in it.

Memory is fixed: beyond `calls_max` the attempt that was not seen for longest is forgotten. To
forget one that is younger than the window is counted, for then its next copy would be a second
event (the server still merges copies within one second).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Set
from dataclasses import dataclass, field

WINDOW_S = 240
"""Longest silence between two sightings of one call. A branch of an INVITE lives until timer C,
which is more than 3 minutes (RFC 3261 16.6), and then the next one is tried."""
LEG_S = 8
"""How far apart legs that nothing joins may be; nobody dials again so soon."""
CALLS_MAX = 262_144
MESSAGES_MAX = 16
"""Messages that are remembered of one call."""
NAMES_MAX = 16
LEGS_MAX = 8
AT_NUMBER_MAX = 32
"""Attempts at one number that are looked at for another leg of one."""
_KEY_MAX = 96


@dataclass(frozen=True, slots=True)
class Message:
    """What tells two MESSAGEs with one Call-ID apart; body and credentials as digests."""

    cseq: int
    body: bytes = b""
    credentials: bytes = b""
    """Empty when the request carries none."""
    dialogue: bytes = b""
    """Digest of the Call-ID."""

    def same_request(self, other: Message) -> bool:
        """Whether both are sightings of one message."""
        if self.dialogue != other.dialogue:
            return self.body == other.body
        if self.cseq == other.cseq:
            return True
        if abs(self.cseq - other.cseq) != 1 or self.body != other.body:
            return False
        earlier, later = sorted((self, other), key=lambda message: message.cseq)
        return later.credentials not in (b"", earlier.credentials)


@dataclass(slots=True)
class Sighting:
    """One report of an attempt."""

    called: int
    caller: int | None = field(repr=False)
    """0 = withheld; None = whoever it is, this sighting cannot tell."""
    seen_at: int
    """Unix seconds of the receipt, which is one clock for all agents."""
    names: tuple[bytes, ...]
    """What names this attempt and no other, its Call-ID or the like first. Different kinds of names
    begin differently, so that they are never mistaken for each other."""
    hint: bytes = b""
    """A name in the same form that is believed only where callers agree."""
    leg: int = 0
    """Between which neighbours it was seen; the same number again over the same leg."""
    request: int = 0
    """What stays the same when a request is sent again on its leg; 0 = not known."""
    is_message: bool = False
    message: Message | None = None
    """None for a call, and where only the Call-ID is known."""
    agent: bytes = b""
    """Whose clock `captured_at` is of; empty = not known."""
    captured_at: int = 0
    """Unix seconds of that clock; 0 where it is not believed."""


@dataclass(slots=True, eq=False)
class _Call:
    number: int
    """The called number; negative of messages, so that calls and messages never meet."""
    caller: int | None = field(repr=False)
    seen_at: int
    request: int
    legs: tuple[int, ...]
    messages: list[Message | None] | None
    """None in it stands for a log line until a MESSAGE claims it; None = a call."""
    before: _Call | None = field(repr=False)
    """The attempt at this number that was new before this one."""
    keys: tuple[bytes, ...] = ()
    agent: bytes = b""
    captured_at: int = 0
    """Of the latest sighting."""

    def apart(self, seen: Sighting) -> int:
        """How many seconds lie between, by the one clock that saw both, or else by the receipt."""
        # What was held up and comes all at once is not all of one moment.
        if seen.agent and seen.agent == self.agent and seen.captured_at and self.captured_at:
            return abs(seen.captured_at - self.captured_at)
        return abs(seen.seen_at - self.seen_at)


class Calls:
    """The attempts seen of late; not shared between threads."""

    def __init__(self, *, window_s: int = WINDOW_S, calls_max: int = CALLS_MAX) -> None:
        self._calls: OrderedDict[_Call, None] = OrderedDict()
        """The one that was not seen for longest first."""
        self._by_key: dict[bytes, _Call] = {}
        self._newest: dict[int, _Call] = {}
        """Of each number; the others hang on it, see `_Call.before`."""
        self._window_s = window_s
        self._calls_max = calls_max
        self.forgotten_early = 0
        """Attempts that had to go for want of room while copies of them could still arrive."""

    def is_first(self, seen: Sighting) -> bool:
        """Whether this is the first sighting of an attempt to reach a number."""
        return self.meet(seen)[1]

    def meet(self, seen: Sighting) -> tuple[Hashable, bool]:
        """What stands for the call of a sighting, and whether this is the first of an attempt."""
        number = -seen.called if seen.is_message else seen.called
        keys = [_key(number, name) for name in seen.names]
        call = self._named(keys, seen)
        if seen.hint:
            key = _key(number, seen.hint)
            hinted = self._named((key,), seen)
            if hinted is None or _agree(hinted.caller, seen.caller):
                call = call or hinted
                keys.append(key)
        if call is None and number in self._newest:
            call = self._near(number, seen)
        if call is None:
            return self._add(number, keys, seen), True
        call.seen_at = max(seen.seen_at, call.seen_at)
        call.agent, call.captured_at = seen.agent, seen.captured_at
        call.caller = seen.caller if call.caller is None else call.caller
        self._calls.move_to_end(call)
        if seen.leg not in call.legs and len(call.legs) < LEGS_MAX:
            call.legs += (seen.leg,)
        self._name(call, keys)
        return call, call.messages is not None and _joins(call.messages, seen.message)

    def saw_message(self, called: int, at: int) -> bool:
        """Whether a message to a number was seen within some seconds of `at`, unix seconds."""
        call = self._newest.get(-called)
        return call is not None and abs(call.seen_at - at) <= LEG_S

    def forget(self, numbers: Set[int]) -> None:
        """Has attempts at these numbers be new when they come again, as some there were lost."""
        for call in [call for call in self._calls if abs(call.number) in numbers]:
            del self._calls[call]
            self._unname(call)
            self._newest.pop(call.number, None)

    def _named(self, keys: Iterable[bytes], seen: Sighting) -> _Call | None:
        for key in keys:
            call = self._by_key.get(key)
            if call is not None and call.apart(seen) <= self._window_s:
                return call
        return None

    def _near(self, number: int, seen: Sighting) -> _Call | None:
        """An attempt of a few seconds ago of which this is another leg."""
        call: _Call | None = self._newest[number]
        for _ in range(AT_NUMBER_MAX):
            if call is None:
                break
            if (
                call.apart(seen) <= LEG_S
                and _agree(call.caller, seen.caller)
                and _may_be_a_copy(call, seen)
                and (call.messages is None or _same_body(call.messages, seen.message))
            ):
                return call
            call = call.before
        return None

    def _add(self, number: int, keys: list[bytes], seen: Sighting) -> _Call:
        call = _Call(
            number,
            seen.caller,
            seen.seen_at,
            seen.request,
            (seen.leg,),
            [seen.message] if seen.is_message else None,
            self._newest.get(number),
            agent=seen.agent,
            captured_at=seen.captured_at,
        )
        self._calls[call] = None
        self._newest[number] = call
        self._name(call, keys)
        while len(self._calls) > self._calls_max:
            self._forget(seen.seen_at)
        return call

    def _name(self, call: _Call, keys: list[bytes]) -> None:
        for key in keys:
            if self._by_key.get(key) is not call and len(call.keys) < NAMES_MAX:
                call.keys += (key,)
                self._by_key[key] = call

    def _unname(self, call: _Call) -> None:
        for key in call.keys:
            if self._by_key.get(key) is call:
                del self._by_key[key]

    def _forget(self, now: int) -> None:
        call, _ = self._calls.popitem(last=False)
        self._unname(call)
        call.before = None  # whoever still hangs on this one must not keep others
        if self._newest.get(call.number) is call:
            del self._newest[call.number]
        self.forgotten_early += abs(now - call.seen_at) <= self._window_s


def digest(octets: bytes) -> bytes:
    """Sixteen bytes that stand for `octets` of any length."""
    return hashlib.blake2b(octets, digest_size=16).digest()


def _key(number: int, name: bytes) -> bytes:
    key = b"%d %s" % (number, name)
    return key if len(key) <= _KEY_MAX else digest(key)


def _agree(one: int | None, other: int | None) -> bool:
    """Whether two callers may be one: a caller who is not carried may be anybody."""
    return one == other or one is None or other is None


def _may_be_a_copy(call: _Call, seen: Sighting) -> bool:
    """Whether it is no second attempt by the same caller, who would go the same way again."""
    if seen.caller is None or seen.leg not in call.legs:
        return True
    return seen.request != 0 and seen.request == call.request


def _same_body(messages: list[Message | None], message: Message | None) -> bool:
    return message is not None and any(
        other is not None and other.body == message.body for other in messages
    )


def _joins(messages: list[Message | None], message: Message | None) -> bool:
    """Adds a message to those of its call; True when it is a request of its own."""
    if message is None:
        return False
    known = False
    for index, other in enumerate(messages):
        if other is None:
            messages[index] = message
            return False
        if other == message:
            return False
        known = known or other.same_request(message)
    # Kept even when known: the next repeat may be the neighbour of this one only.
    messages.append(message)
    del messages[:-MESSAGES_MAX]
    return not known
