"""Numbers as people type them and as tables bring them, read in one place for all commands.

With a + they are read everywhere; national forms need the country that they are seen from. What a
spreadsheet has put around a number is taken off; what it has rounded is refused and never guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ringfence.engine.number import parse_number

if TYPE_CHECKING:
    from ringfence.wording.dialled import DialPlan

VALUE_MAX = 40  # characters of a cell in an error
# Marks that cannot be seen: direction, joiners, byte order. They come with what is copied.
_UNSEEN = "\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad"
# A space that does not break, in Unicode and as a byte of Latin-1 that was no UTF-8.
_SPACES = "\u00a0\u2000-\u200a\u202f\u3000\udca0"
_PLAIN = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)  # most of them: worth a look first
_CLEANED = re.compile(f"[{_UNSEEN}]")
_SPACE = re.compile(f"[{_SPACES}\\s]+")
_FORMULA = re.compile(r'=\s*"([^"]*)"')
_QUOTES = "'\"\u2018\u2019\u201c\u201d`"
_ROUNDED = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE]\+?\d+", re.ASCII)
_FRACTION = re.compile(r"(\+?\d{4,})[.,](0+)", re.ASCII)
_WRITTEN = re.compile(r"\+?[\d ().~/\u2010-\u2015-]+", re.ASCII)
_SEPARATORS = re.compile(r"[ ().~/\u2010-\u2015-]")
_BETWEEN = re.compile(r" ?[-\u2010-\u2015] ?(?=\+)|(?<=\d) [-\u2010-\u2015] (?=[\d(])", re.ASCII)
_PLAIN_RANGE = re.compile(r"(\+?\d{7,})-(\+?\d*)", re.ASCII)


def cell_text(cell: str) -> str:
    """What stands in a cell, without what spreadsheets and mail put around it."""
    if cell.isascii() and cell.isalnum():  # most are so, and this is quick
        return cell
    text = _SPACE.sub(" ", _CLEANED.sub("", cell)).strip()
    if formula := _FORMULA.fullmatch(text):
        text = formula[1]
    return text.strip(_QUOTES + " ")


def number_text(cell: str) -> str:
    """The same of a number, which a spreadsheet may have taken for a figure with a fraction.

    Three zeros and more may be the number's own last figures: they are left where they are.
    """
    text = cell_text(cell)
    figure = _FRACTION.fullmatch(text)
    return figure[1] if figure and len(figure[2]) < 3 else text


def is_rounded(text: str) -> bool:
    """Whether a spreadsheet wrote a long number so, as 4.47701E+11: its last digits are lost."""
    return _ROUNDED.fullmatch(text) is not None


_VALUE = re.compile(r"value=(['\"])(.*?)\1")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?=$|[T ])", re.ASCII)
_NUMBER_DIGITS_MIN = 7

ROUNDED = (
    "a spreadsheet has rounded it and the digits are lost: export it again with the column"
    " formatted as text"
)


class WrittenNumbers:
    """How numbers are written by those who have a home country, or none."""

    def __init__(self, country: int | None = None) -> None:
        """`country` is a calling code, such as 44; ValueError when it is none. `plan` is its."""
        self.country = country
        self.plan: DialPlan | None = None
        if country is not None:
            from ringfence.wording.dialled import DialPlan  # its metadata take a while to load

            self.plan = DialPlan.of_country(country)

    def number(self, text: str) -> int:
        """The E.164 number that `text` writes; raises ValueError saying why not."""
        if _PLAIN.fullmatch(text):
            return int(text[1:])
        text = number_text(text)
        if is_rounded(text):
            raise ValueError(f"value={text[:VALUE_MAX]!r}: {ROUNDED}")
        if _FRACTION.fullmatch(text):
            raise ValueError(f"value={text[:VALUE_MAX]!r}, bound=a number without a fraction")
        if self.plan is not None:
            return self._in_country(self.plan, text)
        if text.isdigit():
            raise ValueError(
                f"numbers are written with +: value={text[:VALUE_MAX]!r}, bound=+ and 7 to 15"
                " digits; or say whose national numbers they are, as with --country 44"
            )
        if text.startswith("+") and "(0)" not in text and _WRITTEN.fullmatch(text):
            return parse_number(_SEPARATORS.sub("", text))
        return parse_number(text)

    def _in_country(self, plan: DialPlan, text: str) -> int:
        plain = re.sub(r"[/\u2010-\u2015]", "-", text)
        number = plan.number(plain) if _WRITTEN.fullmatch(text) else None
        if number is None:
            raise ValueError(
                f"not a number: value={text[:VALUE_MAX]!r}, bound=+ and 7 to 15 digits, or as"
                f" dialled in country {plan.code}"
            )
        return number

    def _whole(self, text: str) -> int:
        """The number; a national form too short or too long for its country has lost a figure, or
        has one too many. With a + it is taken as it is.
        """
        number, plan = self.number(text), self.plan
        if plan is not None and "+" not in text and not plan.has_length_of(number):
            lengths = sorted(length - len(str(plan.code)) for length in plan.lengths)
            raise ValueError(
                f"not a number: value={text[:VALUE_MAX]!r}, bound={_either(lengths)} digits behind"
                f" {plan.code} and without the leading 0"
            )
        return number

    def numbers(self, text: str) -> tuple[int, int]:
        """First and last of the numbers that a number or a range A-B writes; raises ValueError."""
        text = cell_text(text)
        ends = [text] if text.isalnum() else _BETWEEN.split(text, maxsplit=1)
        if len(ends) == 1 and (range_ := _PLAIN_RANGE.fullmatch(text)):
            ends = list(range_.groups())
        if len(ends) == 1:
            number = self._whole(text)
            return number, number
        first, last = map(self._whole, ends)
        if last < first:
            raise ValueError(
                f"range runs backwards: value={text[:VALUE_MAX]!r}, bound=+A-+B with A <= B"
            )
        return first, last


def _either(lengths: list[int]) -> str:
    """9 or 10; 4 to 15."""
    if len(lengths) > 2 and lengths[-1] - lengths[0] == len(lengths) - 1:
        return f"{lengths[0]} to {lengths[-1]}"
    return " or ".join(map(str, lengths))


def without_numbers(reason: str) -> str:
    """What is wrong, without a value that may be a telephone number: columns may have been mistaken
    for each other, and then a caller stands in any of them.
    """
    return _VALUE.sub(_shown, reason)


def _shown(value: re.Match[str]) -> str:
    looks = sum(map(str.isdigit, value[2])) >= _NUMBER_DIGITS_MIN and not _DATE.match(value[2])
    return "value=(looks like a telephone number)" if looks else value[0]
