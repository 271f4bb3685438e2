"""Written telephone numbers to E.164 integers, as seen from one home country.

The forms that switches write all day (+44..., 00..., 0...) take a rule on digits; every other one
(bare national digits, `(0)`, 011 or 8~10 prefixes, +44 0...) takes `phonenumbers`, whose metadata
also says which rule a country has: Italy keeps its 0, North America has 1 and 011.
Where national numbers are dialled with a 0, bare digits that begin with the country's own code are
a number that lost its +, although some could also be a national number that lost its 0.
A telephone-subscriber (RFC 3966 section 3) brings its own parameters: the number ends at the first
`;`, and of what follows only `phone-context` has a say in what the number is.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

DIGITS_MIN = 7
DIGITS_MAX = 15

_POSSIBLE = phonenumbers.ValidationResult.IS_POSSIBLE  # and not "within its area only"
_SUBSCRIBER = phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE
_VISUAL = str.maketrans("", "", "-.()~ \t\u00a0")
_NUMBER = re.compile(r"\+?[0-9]+", re.ASCII)
_CONTEXT = re.compile(r";\s*phone-context\s*=\s*\"?([^;\"]*)", re.IGNORECASE)


def digits_of(text: str) -> str:
    """The number's digits with a leading + if written, without separators; "" when not a number."""
    plain = text.partition(";")[0].translate(_VISUAL)
    return plain if _NUMBER.fullmatch(plain) else ""


class DialPlan:
    """How numbers are written in one country; use `of_country` to get one."""

    def __init__(self, calling_code: int) -> None:
        region = phonenumbers.region_code_for_country_code(calling_code)
        if region in (phonenumbers.UNKNOWN_REGION, phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY):
            raise ValueError(
                f"not a country: value={calling_code}, bound=a calling code of ITU-T E.164"
            )
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
        general = metadata.general_desc if metadata else None
        assert metadata and general, "every region of a calling code has metadata"
        self.code = calling_code
        self._code = str(calling_code)
        self._region = region
        self._code_and_trunk = self._code + (metadata.national_prefix or "#")
        self.lengths = frozenset(len(self._code) + length for length in general.possible_length)
        """How many digits a whole number of this country may have, its code included."""
        # The quick rule holds where prefixes are nothing but "0" and "00", as in most countries.
        parsing = (metadata.national_prefix_for_parsing or "").split("|")
        self._trunk_is_0 = parsing[0] == "0" and not metadata.national_prefix_transform_rule
        self._international_is_00 = metadata.international_prefix == "00"

    @staticmethod
    @lru_cache(maxsize=512)
    def of_country(calling_code: int) -> DialPlan:
        """The plan of a country by its calling code, e.g. 44; ValueError when there is none."""
        return DialPlan(calling_code)

    def number(self, text: str) -> int | None:
        """The E.164 number that `text` writes, or None.

        Fewer than 7 digits (112, short codes, extensions) and bare digits that cannot be a
        national number of this country are None: a guess would be evidence against a stranger.
        """
        written = digits_of(text)
        if not written or len(written) > 2 * DIGITS_MAX:
            return None
        if ";" in text and written[0] != "+":
            context = _CONTEXT.search(text)
            if context and context[1].startswith("+"):
                # As phonenumbers reads it; a context that does not lead to a number (RFC 3966
                # 5.1.5 warns of them) makes one of impossible length.
                wider = digits_of(context[1])
                return self._ask_library(wider + written) if wider else None
        if len(written) < DIGITS_MIN:
            return None
        if "(0)" in text:
            return self._ask_library(text.partition(";")[0])
        return self._read(written)

    def has_length_of(self, number: int) -> bool:
        """Whether a number is as long as one of this country may be; true of other countries'."""
        digits = str(number)
        return not digits.startswith(self._code) or len(digits) in self.lengths

    def _read(self, written: str) -> int | None:
        if written[0] == "+":
            digits = written[1:]
        elif self._international_is_00 and written.startswith("00"):
            digits = written[2:]
        elif self._trunk_is_0 and written[0] == "0" and written[1] != "0":
            return _bounded(self._code + written[1:])
        else:
            return self._ask_library("+" + written if self._lost_its_plus(written) else written)
        if digits.startswith(self._code_and_trunk):
            return self._ask_library("+" + digits)
        return _bounded(digits)

    def _lost_its_plus(self, digits: str) -> bool:
        """Whether bare digits are as long as a whole number of this country, its code included.

        Only the lengths of subscribers' lines count: India has short service numbers too, and its
        own mobile numbers may begin with its code, 91.
        """
        if not (self._trunk_is_0 and digits.startswith(self._code)):
            return False
        whole = self._parse("+" + digits)
        if whole is None:
            return False
        as_line = phonenumbers.is_possible_number_for_type_with_reason(whole, _SUBSCRIBER)
        return as_line == _POSSIBLE or phonenumbers.is_valid_number(whole)

    def _ask_library(self, text: str) -> int | None:
        parsed = self._parse(text)
        if parsed is None:
            return None
        return _bounded(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)[1:])

    def _parse(self, text: str) -> phonenumbers.PhoneNumber | None:
        try:
            parsed = phonenumbers.parse(text, self._region)
        except phonenumbers.NumberParseException:
            return None
        # Length only: a range that is newer than the metadata must not lose its calls.
        possible = phonenumbers.is_possible_number_with_reason(parsed) == _POSSIBLE
        return parsed if possible else None


def _bounded(digits: str) -> int | None:
    if DIGITS_MIN <= len(digits) <= DIGITS_MAX and digits[0] != "0":
        return int(digits)
    return None
