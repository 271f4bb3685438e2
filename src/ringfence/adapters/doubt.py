"""Whether something that was not read may have been a call: then its time is not claimed.

Doubted are what begins like an INVITE or MESSAGE, also behind something else, every piece of a TCP
stream that cannot be read, every log line, datagrams that begin as those of HEP do and cannot be
opened, and what is not understood of the former versions of HEP, which say less of themselves. Not
doubted is the rest, such as what a scanner sends. Of an agent that was named and never understood
everything is doubted; of strangers nothing is, see `agents.py`.
"""

from __future__ import annotations

import re

from ringfence.adapters.base import Unreadable
from ringfence.adapters.hep import LOG, MAGIC, SIP, Datagram
from ringfence.adapters.hep_former import FORMER_VERSIONS, OCTETS_MIN, is_former
from ringfence.adapters.sip_stream import cut_stream

_READ = frozenset(("event", "repeat"))
_HARMLESS = frozenset(
    (
        *("reply", "other_method", "in_dialog", "not_a_message", "keepalive"),
        "called_not_a_number",
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
_STARTS_A_CALL = re.compile(rb"[\r\n \t\0]*(?:INVITE|MESSAGE)\b", re.IGNORECASE)


def may_hide_a_call(outcome: str, datagram: Datagram, payload: bytes) -> bool:
    """Whether what ended with this outcome may be a call that nobody reads.

    `payload` is what was read of `datagram`.
    """
    if outcome == "hep_type":
        return _STARTS_A_CALL.match(payload) is not None
    if datagram.protocol == SIP and not datagram.is_piece and _holds_another_call(payload):
        return True
    if outcome in _READ:
        return False
    unsure = datagram.is_piece or datagram.version < 3
    if outcome in _HARMLESS:
        return outcome == "other_method" and unsure and not _KNOWN_METHOD.match(payload)
    return datagram.protocol == LOG or unsure or bool(_STARTS_A_CALL.match(payload))


def _holds_another_call(payload: bytes) -> bool:
    """Whether what should be one message has a call behind it, or behind something else.

    That is how agents report a stream that say UDP of everything.
    """
    at = payload.find(b"\n")
    if payload.find(b" SIP/2.0\r\n", at) < 0 and payload.find(b" SIP/2.0\n", at) < 0:
        return False  # as of nearly all
    try:
        _, *others = cut_stream(payload)
    except Unreadable:
        return True
    return any(_STARTS_A_CALL.match(payload, other.begin) for other in others)


def is_understood(outcome: str, datagram: Datagram, payload: bytes) -> bool:
    """Whether this outcome shows that what an agent sends can be read."""
    if outcome == "other_method" and datagram.protocol == SIP:
        return _KNOWN_METHOD.match(payload) is not None
    return outcome in _UNDERSTOOD


def begins_like_hep(octets: bytes) -> bool:
    """Whether a message is meant to be one of HEP, of whatever version."""
    return octets.startswith(MAGIC) or is_former(octets)


def may_become_hep(octets: bytes) -> bool:
    """Whether so few octets have come, if any, that it may be one when more do."""
    return MAGIC.startswith(octets) or (len(octets) <= OCTETS_MIN and octets[0] in FORMER_VERSIONS)
