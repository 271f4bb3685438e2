"""From one HEP3 datagram to at most one attempt, with every datagram's outcome counted.

event, repeat               the first sighting of a call or message, and further ones
reply, other_method, in_dialog, not_a_message, keepalive
                            read, and nothing that starts a call or is a message
called_not_a_number         an attempt to reach something else
sip_*, header_*, address_*, uri_*, log_*
                            a SIP message or log line that cannot be read
hep_*                       a datagram that cannot be read, is of another type or has no key
note_*                      not an outcome: something worth knowing beside them
"""

from __future__ import annotations

import hmac

from ringfence import EventKind
from ringfence.server.adapters.base import Attempt, Tally, Unreadable
from ringfence.server.adapters.callers import read_caller
from ringfence.server.adapters.calls import Calls, Leg
from ringfence.server.adapters.dialled import DialPlan
from ringfence.server.adapters.hep import LOG, SIP, Datagram, read_datagram
from ringfence.server.adapters.hlog import read_log_line
from ringfence.server.adapters.sip import INVITE, read_request

SECONDS_MAX = 2**32 - 1


class HepReader:
    """Reads the datagrams of one feed; `tally` has their outcomes. Not for several threads."""

    def __init__(self, plan: DialPlan, *, auth_key: str = "") -> None:
        self.tally = Tally()
        self.calls = Calls()
        self._plan = plan
        self._auth_key = auth_key.encode()

    def read(self, octets: bytes, received_at: int) -> Attempt | None:
        """The attempt that this datagram is the first to report, or None.

        `received_at` (unix seconds) stands in where the agent gives no time.
        """
        try:
            datagram = read_datagram(octets)
            if datagram.trailing:
                self.tally["note_trailing_octets"] += 1
            attempt = self._read_attempt(datagram, received_at)
        except Unreadable as unreadable:
            self.tally[unreadable.reason] += 1
            return None
        self.tally["event" if attempt else "repeat"] += 1
        return attempt

    def _read_attempt(self, datagram: Datagram, received_at: int) -> Attempt | None:
        if self._auth_key and not hmac.compare_digest(datagram.auth_key, self._auth_key):
            raise Unreadable("hep_auth_key")
        leg: Leg | None
        video = False
        if datagram.protocol == SIP:
            request = read_request(datagram.payload)
            method, called_text, caller_text = request.method, request.called, request.caller
            call_id, leg, video = request.call_id, request.leg, request.video
        elif datagram.protocol == LOG:
            line = read_log_line(datagram.payload)
            method, called_text, caller_text = line.method, line.called, line.caller
            call_id, leg = datagram.correlation.strip(), None
            if not call_id:
                raise Unreadable("log_without_call_id")
        else:
            raise Unreadable("hep_type")
        called = self._plan.number(called_text)
        if called is None:
            raise Unreadable("called_not_a_number")
        at = datagram.captured_at or min(received_at, SECONDS_MAX)
        if not self.calls.is_first(method, call_id, called, leg, at):
            return None
        caller = read_caller(caller_text, self._plan)
        if method == INVITE:
            kind = EventKind.VIDEO if video else EventKind.CALL
        else:
            kind = caller.message_kind
        return Attempt(called, caller.value, at, kind)
