"""From a HEP datagram to the attempts in it, with the outcome of everything read counted.

A datagram holds one message, and so has one outcome. Where the agent copied it from a TCP stream it
may hold several, and each of them has one, or a part of one, which has another when it is complete.

event, repeat               the first sighting of a call or message, and further ones
reply, other_method, in_dialog, not_a_message, keepalive
                            read, and nothing that starts a call or is a message
called_not_a_number         an attempt to reach something else
sip_*, header_*, address_*, uri_*, log_*
                            a SIP message or log line that cannot be read
sip_piece                   a part of a message that goes on in another datagram
sip_tail                    the end of a message whose beginning was not seen
sip_truncated               a message whose end was not seen
sip_too_many_messages       the rest of a datagram that holds more than 64
hep_*                       a datagram that cannot be read, or is of another type
hep_agent, hep_auth_key     a datagram of a stranger: of another agent, or without the key
note_*                      not an outcome: something worth knowing beside them

What may have been a call and was not read is lost time; see `doubt.py` and `HepReader.lost`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from ringfence import EventKind
from ringfence.adapters.agents import STRANGER, Agents
from ringfence.adapters.base import Attempt, Tally, Unreadable
from ringfence.adapters.callers import read_caller
from ringfence.adapters.calls import Sighting
from ringfence.adapters.doubt import (
    begins_like_hep,
    is_understood,
    may_become_hep,
    may_hide_a_call,
)
from ringfence.adapters.hep import LOG, SIP, Datagram, find_signature, read_datagram
from ringfence.adapters.hep_former import find_former_signature, read_former
from ringfence.adapters.hep_memory import CallMemory, Memory
from ringfence.adapters.hlog import read_log_line
from ringfence.adapters.sip import INVITE, Request, read_request
from ringfence.adapters.sip_names import CALL_ID
from ringfence.adapters.sip_pieces import Part, Pieces
from ringfence.adapters.sip_seam import head_is_of_two
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import USUAL, Withheld

SECONDS_MAX = 2**32 - 1
LATE_S = 5
"""How long a report takes from the agent's sight to here, where no time of the agent's is known,
if no more is asked for."""
AHEAD_MAX_S = 300
"""How far an agent's clock may be ahead; further, its events would lie in the future."""
BEHIND_MAX_S = 600
"""How far an agent's clock may be behind, or its report late, if no more is asked for."""

_FORMER = frozenset((b"\1", b"\2"))
_OF_STRANGERS = frozenset(("hep_agent", "hep_auth_key"))


class HepReader:
    """Reads the datagrams of one feed; `tally` has their outcomes. Not for several threads.

    `memory` tells events from repeats; None = one of its own.
    """

    def __init__(
        self,
        plan: DialPlan,
        *,
        auth_key: str = "",
        agents: Agents | None = None,
        withheld: Withheld = USUAL,
        lateness_s: int = LATE_S,
        memory: Memory | None = None,
    ) -> None:
        self.tally = Tally()
        self.memory = memory or CallMemory()
        self._pieces = Pieces()
        self._lost: set[tuple[int, int]] = set()
        self._plan = plan
        self._withheld = withheld
        self._auth_key = auth_key.encode()
        self.agents = agents or Agents()
        self._behind_max_s = max(lateness_s, BEHIND_MAX_S)
        self.late_s = max(lateness_s, LATE_S)
        """How long before its receipt something may have happened of which no time is known."""

    @property
    def waits_since(self) -> int | None:
        """The time, unix seconds, of the oldest piece whose message is not complete, if any."""
        return self._pieces.waits_since

    def read(self, octets: bytes, received_at: int, sender: str = "") -> list[Attempt]:
        """The attempts that this datagram is the first to report.

        `received_at` (unix seconds) stands in where the agent gives no time, or one that cannot be.
        `sender` is the address that it came from; "" = not known.
        """
        received_at = min(received_at, SECONDS_MAX)
        try:
            datagram = self._open(octets, sender)
        except Unreadable as unreadable:
            self.tally[unreadable.reason] += 1
            if unreadable.reason not in _OF_STRANGERS and self._may_be_a_report(octets, sender):
                self._lose(received_at, received_at, received_at)
            return []
        at = self._time(datagram, received_at)
        if datagram.protocol == SIP and datagram.is_piece:
            return self._read_parts(self._pieces.take(datagram, at, received_at))
        attempt = self._read_payload(datagram, datagram.payload, at, received_at, received_at)
        return [attempt] if attempt else []

    def is_of_a_stranger(self, octets: bytes, sender: str) -> bool:
        """Whether a message, perhaps not a whole one, is of nobody who is believed.

        Of an agent that was named by its id alone this cannot be told before the id is there.
        """
        find = find_former_signature if octets[:1] in _FORMER else find_signature
        signature = find(octets)
        if self._auth_key and not hmac.compare_digest(signature.auth_key, self._auth_key):
            return True
        if not may_become_hep(octets) and not begins_like_hep(octets):
            return not self.agents.are_at(sender)
        return bool(self.agents) and self.agents.which(sender, signature.capture_id) == STRANGER

    def look(self, now: int) -> list[Attempt]:
        """The attempts in messages that have waited for their rest for too long."""
        return self._read_parts(self._pieces.late(min(now, SECONDS_MAX)))

    def finish(self) -> list[Attempt]:
        """The attempts in messages that wait for their rest, when nothing more will come."""
        return self._read_parts(self._pieces.all())

    def lost(self) -> list[tuple[int, int]]:
        """The times, [began, ended) in unix seconds, of what was read since this was last asked and
        may have been a call that could not be read.
        """
        if not self._lost:
            return []
        lost, self._lost = self._lost, set()
        return sorted(lost)

    def _may_be_a_report(self, octets: bytes, sender: str) -> bool:
        """Whether a datagram that could not be opened may be of somebody who is believed."""
        if self.is_of_a_stranger(octets, sender):
            return False
        if begins_like_hep(octets):
            return True
        named = self.agents.which(sender, None)
        return bool(self.agents) and not self.agents.is_understood(named)

    def _open(self, octets: bytes, sender: str) -> Datagram:
        if not self.agents.may_send_from(sender):
            raise Unreadable("hep_agent")
        datagram = read_former(octets) if octets[:1] in _FORMER else read_datagram(octets)
        datagram.sender = sender
        if datagram.trailing:
            self.tally["note_trailing_octets"] += 1
        if self._auth_key and not hmac.compare_digest(datagram.auth_key, self._auth_key):
            raise Unreadable("hep_auth_key")
        if self.agents:
            datagram.named = self.agents.which(sender, datagram.capture_id)
            if datagram.named == STRANGER:
                raise Unreadable("hep_agent")
        return datagram

    def _time(self, datagram: Datagram, received_at: int) -> int:
        if datagram.captured_at > received_at + AHEAD_MAX_S:
            self.tally["note_time_ahead"] += 1
            return received_at
        if 0 < datagram.captured_at < received_at - self._behind_max_s:
            self.tally["note_time_behind"] += 1
            return received_at
        return datagram.captured_at or received_at

    def _lose(self, at: int, received_at: int, until: int) -> None:
        self._lost.add((min(at, received_at - self.late_s), max(at, received_at, until) + 1))

    def _read_parts(self, parts: Iterable[Part]) -> list[Attempt]:
        attempts = []
        for part in parts:
            datagram, at, received_at = part.origin
            if part.doubted or head_is_of_two(part.octets, part.seams, self._plan):
                self._lose(at, received_at, part.until)
            if part.outcome:
                self.tally[part.outcome] += 1
                if part.outcome != "sip_piece" and self._is_never_understood(
                    part.outcome, datagram
                ):
                    self._lose(at, received_at, part.until)
            elif attempt := self._read_payload(datagram, part.octets, at, received_at, part.until):
                attempts.append(attempt)
        return attempts

    def _read_payload(
        self, datagram: Datagram, payload: bytes, at: int, received_at: int, until: int
    ) -> Attempt | None:
        try:
            attempt = self._read_attempt(datagram, payload, at, received_at)
        except Unreadable as unreadable:
            outcome, attempt = unreadable.reason, None
        else:
            outcome = "event" if attempt else "repeat"
        self.tally[outcome] += 1
        never = self._is_never_understood(outcome, datagram, payload)
        if never or may_hide_a_call(outcome, datagram, payload):
            self._lose(at, received_at, until)
        return attempt

    def _is_never_understood(self, outcome: str, datagram: Datagram, payload: bytes = b"") -> bool:
        """Whether nothing that a named agent has sent up to this could be read."""
        if not self.agents or self.agents.is_understood(datagram.named):
            return False
        if is_understood(outcome, datagram, payload):
            self.agents.understand(datagram.named)
            return False
        return True

    def _read_attempt(
        self, datagram: Datagram, payload: bytes, at: int, received_at: int
    ) -> Attempt | None:
        video = False
        if datagram.protocol == SIP:
            request = read_request(payload)
            method, called_text, caller_text = request.method, request.called, request.caller
            video = request.video
        elif datagram.protocol == LOG:
            line = read_log_line(payload)
            method, called_text, caller_text = line.method, line.called, line.caller
            if not datagram.correlation.strip():
                raise Unreadable("log_without_call_id")
            request = None
        else:
            raise Unreadable("hep_type")
        called = self._plan.number(called_text)
        if called is None:
            raise Unreadable("called_not_a_number")
        caller = read_caller(caller_text or "", self._plan, self._withheld)
        # Clocks of agents differ; that of the receipt is one.
        seen = _sighting(datagram, request, called, caller.value, received_at)
        if datagram.captured_at == at:
            seen.agent, seen.captured_at = datagram.agent, at
        elif request and datagram.captured_at:
            # Of an agent with a wrong clock it is not known how far apart its copies were seen.
            seen.request = request.transaction()
        seen.is_message = method != INVITE
        if method == INVITE:
            kind = EventKind.VIDEO if video else EventKind.CALL
        else:
            kind = caller.message_kind
        unreadable = caller_text is None
        if not self.memory.is_first(seen, at, kind, caller_unreadable=unreadable):
            return None
        if unreadable:
            self.tally["note_caller_unreadable"] += 1
        return Attempt(called, caller.value, at, kind)


def _sighting(
    datagram: Datagram, request: Request | None, called: int, caller: int, received_at: int
) -> Sighting:
    """A request as it was seen, or a log line, which knows no more than the Call-ID."""
    correlation = datagram.correlation.strip()
    if request is None:
        return Sighting(called, caller, received_at, (CALL_ID + correlation,), leg=LOG)
    return Sighting(
        called,
        caller,
        received_at,
        request.names,
        hint=CALL_ID + correlation if correlation not in (b"", request.call_id) else b"",
        leg=request.leg(datagram.addresses),
        message=request.message,
    )
