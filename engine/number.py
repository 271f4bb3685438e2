"""E.164 numbers between text and the integer of their digits: +447700900123 is 447700900123."""

import re

NUMBER_MIN = 10**6  # 7 digits
NUMBER_MAX = 10**15 - 1  # 15 digits

_TEXT = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


def parse_number(text: str) -> int:
    """The number that `text` writes as + and 7 to 15 digits; raises ValueError saying why not."""
    if not _TEXT.fullmatch(text):
        raise ValueError(f"not an E.164 number: value={text[:40]!r}, bound=+ and 7 to 15 digits")
    return int(text[1:])


def format_number(number: int) -> str:
    """The number as + and its digits."""
    return f"+{number}"


def is_number(number: int) -> bool:
    """Whether the integer is the digits of an E.164 number."""
    return NUMBER_MIN <= number <= NUMBER_MAX
