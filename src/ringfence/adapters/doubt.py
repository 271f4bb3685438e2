"""Whether something that was not read may have been a call: then its time is not claimed.

Doubted are what begins like an INVITE or MESSAGE, every piece of a TCP stream that cannot be read,
every log line, datagrams that begin as those of HEP do and cannot be opened, and what is not
understood of the former versions of HEP, which say less of themselves. Not doubted is the rest,
such as what a scanner sends. Of an agent that was named and never understood everything is
doubted; of strangers nothing is, see `agents.py`.
"""

from __future__ import annotations

import re

from ringfence.adapters.hep import LOG, MAGIC, SIP, Datagram
from ringfence.adapters.hep_former import is_former

_READ = frozenset(("event", "repeat"))
HARMLESS = frozenset(
    (
        *("reply", "other_method", "in_dialog", "not_a_message", "keepalive"),
        *("called_not_a_number", "hep_type"),
    )
)
_UNDERSTOOD = frozenset(
    (
        *("event", "repeat", "reply", "other_method", "in_dialog", "not_a_message"),
        "called_not_a_number",
    )
)
_KNOWN_METHOD = re.compile(
    rb"[\r\n]*(?:ACK|BYE|CANCEL|OPTIONS|REGISTER|PRACK|SUBSCRIBE|NOTIFY|PUBLISH|INFO|REFER|UPDATE) "
)  # RFC 3261, 3262, 3311, 3515, 3903, 6086, 6665; on a stream another word may be half of INVITE
_STARTS_A_CALL = re.compile(rb"[\r\n \t]*(?:INVITE|MESSAGE)\b", re.IGNORECASE)


def may_hide_a_call(outcome: str, datagram: Datagram, payload: bytes) -> bool:
    """Whether what ended with this outcome may be a call that nobody reads.

    `payload` is what was read of `datagram`.
    """
    if outcome in _READ:
        return False
    unsure = datagram.is_piece or datagram.version < 3
    if outcome == "other_method" and unsure and not _KNOWN_METHOD.match(payload):
        return True
    if outcome in HARMLESS:
        return False
    if datagram.protocol == LOG:
        return True
    return datagram.protocol == SIP and (unsure or bool(_STARTS_A_CALL.match(payload)))


def is_understood(outcome: str, datagram: Datagram, payload: bytes) -> bool:
    """Whether this outcome shows that what an agent sends can be read."""
    if outcome == "other_method" and datagram.protocol == SIP:
        return _KNOWN_METHOD.match(payload) is not None
    return outcome in _UNDERSTOOD


def begins_like_hep(octets: bytes) -> bool:
    """Whether a message is meant to be one of HEP, of whatever version."""
    return octets.startswith(MAGIC) or is_former(octets)
