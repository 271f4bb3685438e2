"""What stands in fields: numbers in BCD and in text, times.

The type of number decides as little as in SMPP: international adds the + that is missing, where the
digits have no prefix of their own; all else is read as the country writes it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.kamailio_acc import user_of
from ringfence.adapters.cdr.local_time import SECONDS_LIMIT

_EXTENSION = 0x80
_INTERNATIONAL, _ALPHANUMERIC = 1, 5
_NOT_TELEPHONY = frozenset((3, 4, 6, 9))
"""Numbering plans: data, telex, land mobile (an IMSI), private."""
_FILLER = "f"
_LOW_FIRST = bytes((octet & 15) << 4 | octet >> 4 for octet in range(256))
# As TS 24.008 has digits of 10 and more; * and # are services, and letters make it no number.
_DIGITS = str.maketrans("abcde", "*#abc")
_OFFSET_MINUTES_MAX = 15 * 60
_FROM_BCD = {16 * tens + ones: 10 * tens + ones for tens in range(10) for ones in range(10)}


def bcd_number(octets: bytes) -> str | None:
    """A BCDDirectoryNumber or AddressString: type and plan, perhaps octet 3a, digits.

    "" when there are none, None when it is no telephone number.
    """
    if not octets:
        return ""
    kind = octets[0]
    if kind & 15 in _NOT_TELEPHONY:
        return None
    digits = octets[1:] if kind & _EXTENSION else octets[2:]
    text = digits.translate(_LOW_FIRST).hex().partition(_FILLER)[0]
    if not text.isdecimal():
        return text.translate(_DIGITS)
    if kind >> 4 & 7 == _INTERNATIONAL and text[0] != "0" and text[6:]:
        return "+" + text
    return text


def is_withheld(octets: bytes) -> bool:
    """Whether octet 3a of a BCDDirectoryNumber says that it is not to be shown, or was not to be
    had (TS 24.008 10.5.4.9).
    """
    return len(octets) > 1 and not octets[0] & _EXTENSION and octets[1] & 0x60 != 0


def message_address(octets: bytes) -> str | None:
    """An address of a short message (TS 23.040 9.1.2.5): how many half octets, then as above."""
    if octets and octets[0] & _EXTENSION:  # the count is left out
        return bcd_number(octets)
    if len(octets) < 2:
        return ""
    count, kind, value = octets[0], octets[1], octets[2:]
    if kind >> 4 & 7 == _ALPHANUMERIC:
        return _letters(value, count * 4 // 7)
    return bcd_number(bytes((kind | _EXTENSION,)) + value[: (count + 1) // 2])


def _letters(octets: bytes, count: int) -> str:
    """Septets of the default alphabet (TS 23.038), which is nearly ASCII."""
    bits = int.from_bytes(octets, "little")
    septets = bytes(bits >> 7 * place & 0x7F for place in range(min(count, 11)))
    return septets.translate(_ALPHABET).decode("latin-1").rstrip("\r")


_ALPHABET = bytes.maketrans(
    bytes((0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0B, 0x0C, 0x0E, 0x0F))
    + bytes((0x11, 0x1C, 0x1D, 0x1E, 0x1F, 0x24, 0x40, 0x5B, 0x5C, 0x5D, 0x5E, 0x5F, 0x60))
    + bytes((0x7B, 0x7C, 0x7D, 0x7E, 0x7F)),
    "@£$¥èéùìòÇØøÅå_ÆæßÉ¤¡ÄÖÑÜ§¿äöñüà".encode("latin-1"),
)


def text_number(octets: bytes) -> str | None:
    """A number in text, or the user part of a URI. Raises Unreadable."""
    return user_of(octets.decode("utf-8", "surrogateescape").strip())


FORMS = {"bcd": bcd_number, "message": message_address, "text": text_number}
"""The ways in which numbers are written, by name."""


def time_of(octets: bytes) -> int:
    """Unix seconds of a TimeStamp: YYMMDDhhmmss in BCD, + or -, hhmm in BCD. Raises Unreadable."""
    if len(octets) != 9:
        raise Unreadable("time_unreadable")
    second = _FROM_BCD.get(octets[5], 99)
    if second > 60:
        raise Unreadable("time_unreadable")
    seconds = _minute(octets[:5], octets[6:]) + min(second, 59)
    if not 0 < seconds < SECONDS_LIMIT:
        raise Unreadable("time_unreadable")
    return seconds


@lru_cache(65_536)
def _minute(written: bytes, zone: bytes) -> int:
    try:
        year, month, day, hour, minute = (_FROM_BCD[octet] for octet in written)
        ahead = _FROM_BCD[zone[1]] * 60 + _FROM_BCD[zone[2]]
        begins = datetime(2000 + year, month, day, hour, minute, tzinfo=UTC)
    except (KeyError, ValueError):
        raise Unreadable("time_unreadable") from None
    if zone[0] not in b"+-" or ahead > _OFFSET_MINUTES_MAX or _FROM_BCD[zone[2]] > 59:
        raise Unreadable("time_unreadable")
    return int(begins.timestamp()) - (ahead if zone[0] == 0x2B else -ahead) * 60
