"""What the addresses of a message mean, and whether it is an attempt at all.

The type of number (TON) decides nothing by itself. Kannel takes the + away and says international,
and says national of 0044..., 07700... and of 447700... alike. So international adds the + that is
missing, where the digits have no prefix of their own; all else is read as the country writes it.

A sender is alphanumeric when it has a letter, whatever its type says; digits inside a name make it
no number. Who sends without an address, or with what equipment writes for none, is withheld.
"""

from __future__ import annotations

import re

from ringfence.adapters.callers import Caller, read_caller
from ringfence.adapters.smpp.body import Address, Message
from ringfence.adapters.smpp.pdu import DELIVER_SM
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_INTERNATIONAL = 1
_PLAIN = re.compile(rb"[1-9][0-9]{6,}")
_NOT_TELEPHONY = frozenset((3, 4, 6, 14, 18))
"""Numbering plans: data, telex, IMSI, internet, WAP."""

_MESSAGE_TYPE = 0x3C
"""Bits of esm_class: a delivery receipt, a delivery or user acknowledgement, and the like."""
_RECEIPTED_MESSAGE_ID = 0x001E
_RECEIPT_TEXT = re.compile(
    rb"id:\S+ sub:\d+ dlvrd:\d+ submit date:\d+ done date:\d+ stat:\w+ err:", re.IGNORECASE
)


def is_receipt(command: int, message: Message) -> bool:
    """Whether it reports of another message, and nobody sent it to reach somebody."""
    if message.esm_class & _MESSAGE_TYPE or _RECEIPTED_MESSAGE_ID in message.tlvs:
        return True
    return command == DELIVER_SM and bool(_RECEIPT_TEXT.match(message.text))


def called_number(address: Address, plan: DialPlan) -> int | None:
    """The E.164 number of a destination; None where it is none."""
    if address[1] in _NOT_TELEPHONY:
        return None
    if _lost_its_plus(address):
        return plan.international(address[2:].decode("ascii"))
    return plan.number(_text(address))


def sender(address: Address, plan: DialPlan, withheld: Withheld) -> Caller:
    """Who sends."""
    plus = "+" if _lost_its_plus(address) else ""
    return read_caller(plus + _text(address), plan, withheld)


def _lost_its_plus(address: Address) -> bool:
    return address[0] == _INTERNATIONAL and _PLAIN.fullmatch(address, 2) is not None


def _text(address: Address) -> str:
    octets = address[2:]
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
