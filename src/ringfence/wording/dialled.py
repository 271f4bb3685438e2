"""Written telephone numbers to E.164 integers, as seen from one home country.

The forms that switches write all day (+44..., 00..., 0...) take a rule on digits; every other one
(bare national digits, `(0)`, 011 or 8~10 prefixes, +44 0...) takes `phonenumbers`, whose metadata
also says which rule a country has: Italy keeps its 0, North America has 1 and 011.
Where national numbers are dialled with a 0, bare digits that begin with the country's own code are
a number that lost its +, although some could also be a national number that lost its 0.
A number is 7 to 15 digits long with its country's code. How few of them are enough at home is the
plan's to say: the Faroe Islands have numbers of six digits, the Falklands of five.
A telephone-subscriber (RFC 3966 section 3) brings its own parameters: the number ends at the first
`;`, and of what follows only `phone-context` has a say in what the number is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import phonenumbers

DIGITS_MIN = 7
DIGITS_MAX = 15
CODE_DIGITS_MAX = 3

Match = Callable[[str, int], re.Match[str] | None]

_POSSIBLE = phonenumbers.ValidationResult.IS_POSSIBLE  # and not "within its area only"
_SUBSCRIBER = phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE
_LINES = (
    phonenumbers.PhoneNumberType.FIXED_LINE,
    phonenumbers.PhoneNumberType.MOBILE,
    _SUBSCRIBER,
)
_NATIONAL = phonenumbers.PhoneNumberFormat.NATIONAL
_VISUAL = str.maketrans("", "", "-.()~ \t\u00a0")
_NUMBER = re.compile(r"\+?[0-9]+", re.ASCII)
_CONTEXT = re.compile(r";\s*phone-context\s*=\s*\"?([^;\"]*)", re.IGNORECASE)
# Until 2019 a mobile number of Mexico had a 1 before it when called from abroad. The ten digits
# behind it stayed the number, and equipment still writes the 1.
_FORMER_MEXICAN = re.compile(r"521([0-9]{10})", re.ASCII)


def digits_of(text: str) -> str:
    """The number's digits with a leading + if written, without separators; "" when not a number."""
    bare = text[1:] if text[:1] == "+" else text
    if bare.isascii() and bare.isdigit():  # as most are written: nothing to take away
        return text
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
        self.lengths = frozenset(len(self._code) + length for length in general.possible_length)
        """How many digits a whole number of this country may have, its code included."""
        self._has_trunk = bool(metadata.national_prefix)
        lines = (metadata.fixed_line, metadata.mobile)
        self._short_lines = set[int].intersection(
            *(set(line.possible_length if line else ()) for line in lines)
        )
        # The quick rule holds where prefixes are nothing but "0" and "00", as in most countries.
        parsing = (metadata.national_prefix_for_parsing or "").split("|")
        self._trunk_is_0 = parsing[0] == "0" and not metadata.national_prefix_transform_rule
        self._international_is_00 = "00" in (
            metadata.international_prefix,
            metadata.preferred_international_prefix,
        )

    @staticmethod
    @lru_cache(maxsize=512)
    def of_country(calling_code: int) -> DialPlan:
        """The plan of a country by its calling code, e.g. 44; ValueError when there is none."""
        return DialPlan(calling_code)

    def number(self, text: str) -> int | None:
        """The E.164 number that `text` writes, or None.

        Short codes, extensions (112, 61234) and bare digits that cannot be a national number of
        this country are None: a guess would be evidence against a stranger.
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
        if "(0)" in text:
            return self._ask_library(text.partition(";")[0])
        return self._read(written)

    def international(self, digits: str) -> int | None:
        """The number that digits with their country's code are, perhaps with what is only dialled
        at home behind the code: a 0, or whatever prefix that country has.
        """
        if digits[:3] == "521" and (former := _FORMER_MEXICAN.fullmatch(digits)):
            digits = "52" + former[1]
        length, prefix = _home_prefix(digits[:CODE_DIGITS_MAX])
        if prefix is not None and (found := prefix(digits, length)) and found.end() > length:
            return self._ask_library("+" + digits)
        return _bounded(digits)

    def has_length_of(self, number: int) -> bool:
        """Whether a number is as long as one of this country may be; true of other countries'."""
        digits = str(number)
        return not digits.startswith(self._code) or len(digits) in self.lengths

    def _read(self, written: str) -> int | None:
        if written[0] == "+":
            return self.international(written[1:])
        if self._international_is_00 and written.startswith("00"):
            return self.international(written[2:])
        if len(written) < DIGITS_MIN:
            return self._short(written)
        if self._trunk_is_0 and written[0] == "0" and written[1] != "0":
            return _bounded(self._code + written[1:])
        if self._lost_its_plus(written):
            return self.international(written)
        return self._ask_library(written)

    def _short(self, digits: str) -> int | None:
        """The number that fewer than 7 digits are at home, and not a short code or an extension.

        Where national numbers have a prefix, it is one that is known to go without, as special
        rates do, or one of a plan that has numbers so short for every line.
        """
        parsed = self._parse(digits)
        if parsed is None:
            return None
        if not phonenumbers.is_valid_number(parsed):
            short = phonenumbers.PhoneNumber(self.code, int(digits))
            if self._has_trunk or phonenumbers.is_valid_short_number_for_region(
                short, self._region
            ):
                return None
        elif (
            self._has_trunk
            and phonenumbers.number_type(parsed) in _LINES
            and len(digits) not in self._short_lines
            and digits_of(phonenumbers.format_number(parsed, _NATIONAL)) != digits
        ):
            return None
        return _number_of(parsed)

    def _lost_its_plus(self, digits: str) -> bool:
        """Whether bare digits are as long as a whole number of this country, its code included.

        Only the lengths of subscribers' lines count: India has short service numbers too, and its
        own mobile numbers may begin with its code, 91.
        """
        if not digits.startswith(self._code):
            return False
        if not self._trunk_is_0:
            return _FORMER_MEXICAN.fullmatch(digits) is not None
        whole = self._parse("+" + digits)
        if whole is None:
            return False
        as_line = phonenumbers.is_possible_number_for_type_with_reason(whole, _SUBSCRIBER)
        return as_line == _POSSIBLE or phonenumbers.is_valid_number(whole)

    def _ask_library(self, text: str) -> int | None:
        parsed = self._parse(text)
        return None if parsed is None else _number_of(parsed)

    def _parse(self, text: str) -> phonenumbers.PhoneNumber | None:
        try:
            parsed = phonenumbers.parse(text, self._region)
        except phonenumbers.NumberParseException:
            return None
        # Length only: a range that is newer than the metadata must not lose its calls.
        possible = phonenumbers.is_possible_number_with_reason(parsed) == _POSSIBLE
        return parsed if possible else None


def _number_of(parsed: phonenumbers.PhoneNumber) -> int | None:
    return _bounded(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)[1:])


@lru_cache(maxsize=1_000)
def _home_prefix(head: str) -> tuple[int, Match | None]:
    """Of the first digits of a number: how many are its country's code, and what finds the prefix
    behind it that is only dialled there; None where there is no such thing.
    """
    for length in range(1, len(head) + 1):
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(head[:length]))
        if regions:
            metadata = phonenumbers.PhoneMetadata.metadata_for_region(regions[0])
            prefix = metadata.national_prefix_for_parsing if metadata is not None else None
            return length, re.compile(prefix).match if prefix else None
    return 0, None


def _bounded(digits: str) -> int | None:
    if DIGITS_MIN <= len(digits) <= DIGITS_MAX and digits[0] != "0":
        return int(digits)
    return None
