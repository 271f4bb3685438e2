"""Numbers as signalling writes them: digits with the nature of the address beside them.

Raises nothing: what is no E.164 number is None as a called number, and as a caller somebody all the
same.
"""

from __future__ import annotations

import re

from ringfence.adapters.callers import NOBODY, Caller, read_caller
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_ISUP = {4: "international", 3: "national", 2: "dialled", 0: "dialled"}  # Q.763 3.9
_TON = {1: "international", 2: "national", 0: "dialled"}  # TS 29.002 17.7.8, SMPP 5.2.5
_OCTETS = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_ALPHANUMERIC = 5
_END = "F"  # Q.763 3.9 f: the number is complete


def isup_text(digits: str, nature: int, plan: DialPlan) -> str | None:
    """Digits of ISUP as a text to be read; None for what cannot be an E.164 number."""
    return _text(digits, _ISUP.get(nature, ""), plan)


def ton_text(digits: str, ton: int, plan: DialPlan) -> str | None:
    """The same for a type of number."""
    return _text(digits, _TON.get(ton, ""), plan)


def _text(digits: str, nature: str, plan: DialPlan) -> str | None:
    digits = digits.upper().rstrip(_END)
    if not digits.isascii() or not digits.isdigit():
        return None
    if nature == "international":
        return f"+{digits}"
    if nature == "national":
        return f"+{plan.code}{digits}"
    return digits if nature == "dialled" else None


def tbcd(octets: str) -> str:
    """Digits of octets in hexadecimal, the low half first (TS 29.002 17.7.8); F ends them."""
    swapped = "".join(octets[at + 1] + octets[at] for at in range(0, len(octets) - 1, 2))
    return swapped.upper().rstrip("F")


def address_text(octets: str, plan: DialPlan) -> str | None:
    """The text of an AddressString, whose first octet has nature and plan."""
    if len(octets) < 4 or not _OCTETS.fullmatch(octets):
        return None
    return ton_text(tbcd(octets[2:]), int(octets[:2], 16) >> 4 & 7, plan)


def called_of(text: str | None, plan: DialPlan) -> int | None:
    """The number that a text writes."""
    return plan.number(text) if text else None


def caller_of(text: str | None, digits: str, plan: DialPlan, withheld: Withheld) -> Caller:
    """Who calls: withheld without digits; digits of no E.164 number are somebody."""
    digits = digits.upper().rstrip(_END)
    return read_caller(text or digits, plan, withheld) if digits else NOBODY


def sender_of(octets: str, plan: DialPlan, withheld: Withheld) -> Caller:
    """Who sends, as TP-OA and SM-RP-SMEA write it (TS 23.040 9.1.2.5)."""
    if len(octets) < 4 or not _OCTETS.fullmatch(octets):
        return NOBODY
    length, ton, rest = int(octets[:2], 16), int(octets[2:4], 16) >> 4 & 7, octets[4:]
    if ton == _ALPHANUMERIC:
        return read_caller(seven_bits(rest, length * 4 // 7), plan, withheld)
    digits = tbcd(rest)[:length]
    return caller_of(ton_text(digits, ton, plan), digits, plan, withheld)


def seven_bits(octets: str, count: int) -> str:
    """Characters of TS 23.038's alphabet that are the same in ASCII; others by their code."""
    packed = int.from_bytes(bytes.fromhex(octets), "little")
    codes = [packed >> 7 * at & 0x7F for at in range(count)]
    return "".join("@" if code == 0 else chr(code) for code in codes).strip()
