"""One call is one event: which sighting of a call is the first.

A call is seen many times: retransmissions (RFC 3261 17.1.1.2), the same request again with
credentials (22.2: same Call-ID, CSeq one higher), copies from each hop and from each capture agent,
log lines beside the SIP. They share the Call-ID. They need not share the request URI, which hops
rewrite, so it is compared as a number, nor From and its tag: 8.1.3.5 only says that they should
stay, and a hop that acts for the caller writes its own.

A call that is passed on to *another* number (diverted, redirected, dialled digit by digit) is an
attempt at each number it reaches, and one event at each. What a hop makes of a number by putting a
routing prefix in front is no number in quarantine and therefore harms nobody, while letting
whichever copy arrives first decide would, with UDP's order, lose the real one.

Messages differ: RFC 3428 section 8 allows one Call-ID for a series of them with growing CSeq. Two
MESSAGEs are one if they have the same CSeq, or if they are neighbours in CSeq with the same body
and the later one brings credentials that the earlier one lacks: the authentication repeat. Order
of arrival plays no part in it.

Memory is fixed: a Call-ID is kept as its digest, and beyond `calls_max` the call that was not seen
for longest is forgotten. Forgetting one that is younger than the window is counted, for then its
next copy would be a second event (the server still merges copies within one second).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

WINDOW_S = 64
"""Longest silence between two sightings of one call: a transaction lives 32 s (64 x T1), and the
round with credentials is a second one."""
CALLS_MAX = 131_072
LEGS_MAX = 16


@dataclass(frozen=True, slots=True)
class Leg:
    """What tells two MESSAGEs with one Call-ID apart; body and credentials as digests."""

    cseq: int
    body: bytes = b""
    credentials: bytes = b""
    """Empty when the request carries none."""

    def same_request(self, other: Leg) -> bool:
        """Whether both are sightings of one message."""
        if self.cseq == other.cseq:
            return True
        if abs(self.cseq - other.cseq) != 1 or self.body != other.body:
            return False
        earlier, later = sorted((self, other), key=lambda leg: leg.cseq)
        return later.credentials not in (b"", earlier.credentials)


@dataclass(slots=True)
class _Call:
    seen_at: int
    legs: list[Leg | None] = field(default_factory=list)
    """None stands for a call, or for a log line about a message until a MESSAGE claims it."""


class Calls:
    """The calls seen of late; not shared between threads."""

    def __init__(self, *, window_s: int = WINDOW_S, calls_max: int = CALLS_MAX) -> None:
        self._calls: OrderedDict[bytes, _Call] = OrderedDict()
        self._window_s = window_s
        self._calls_max = calls_max
        self.forgotten_early = 0
        """Calls that had to go for want of room while copies of them could still arrive."""

    def is_first(
        self, method: str, call_id: bytes, called: int, leg: Leg | None, seen_at: int
    ) -> bool:
        """Whether this is the first sighting of a call (or message) to `called`.

        `leg` is None for a call, and where only the Call-ID is known. `seen_at` is in unix seconds
        of the capture.
        """
        key = digest(b"%s %d %s" % (method.encode(), called, call_id))
        call = self._calls.get(key)
        if call is None or abs(seen_at - call.seen_at) > self._window_s:
            self._calls[key] = _Call(seen_at, [leg])
            self._calls.move_to_end(key)
            self._forget(seen_at)
            return True
        call.seen_at = max(seen_at, call.seen_at)
        self._calls.move_to_end(key)
        return _joins(call.legs, leg)

    def _forget(self, now: int) -> None:
        while len(self._calls) > self._calls_max:
            _, call = self._calls.popitem(last=False)
            self.forgotten_early += abs(now - call.seen_at) <= self._window_s


def digest(octets: bytes) -> bytes:
    """Sixteen bytes that stand for `octets` of any length."""
    return hashlib.blake2b(octets, digest_size=16).digest()


def _joins(legs: list[Leg | None], leg: Leg | None) -> bool:
    """Adds a leg to those of its call; True when it is a request of its own."""
    if leg is None:
        return False
    known = False
    for index, other in enumerate(legs):
        if other is None:
            legs[index] = leg
            return False
        if other == leg:
            return False
        known = known or other.same_request(leg)
    # Kept even when known: the next repeat may be the neighbour of this one only.
    legs.append(leg)
    del legs[:-LEGS_MAX]
    return not known
