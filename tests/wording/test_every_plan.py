"""Numbers of every country, written as they are at home and abroad, against `phonenumbers`."""

from collections.abc import Iterator

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringfence.wording.dialled import DIGITS_MAX, DIGITS_MIN, DialPlan

NUMBER_FORMS = phonenumbers.PhoneNumberFormat
NO_COUNTRY = (phonenumbers.UNKNOWN_REGION, phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY)
CODES = sorted(
    code
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    if phonenumbers.region_code_for_country_code(code) not in NO_COUNTRY
)
EXAMPLES = [
    found
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    for of_type in phonenumbers.PhoneNumberType.values()
    if (found := phonenumbers.example_number_for_type(region, of_type))
]


def region_of(code: int) -> str:
    region = phonenumbers.region_code_for_country_code(code)
    assert region is not None
    return region


def e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, NUMBER_FORMS.E164)


def forms_at_home(number: phonenumbers.PhoneNumber) -> Iterator[str]:
    """How a number is written in its own country."""
    yield e164(number)
    yield phonenumbers.format_number(number, NUMBER_FORMS.INTERNATIONAL)
    yield phonenumbers.format_number(number, NUMBER_FORMS.RFC3966).removeprefix("tel:")
    yield phonenumbers.format_number(number, NUMBER_FORMS.NATIONAL)
    yield phonenumbers.national_significant_number(number)


def reference(text: str, home: int) -> int | None:
    """What `phonenumbers` reads, where that may be a number at all."""
    try:
        parsed = phonenumbers.parse(text, region_of(home))
    except phonenumbers.NumberParseException:
        return None
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    digits = e164(parsed)[1:]
    possible = reason == phonenumbers.ValidationResult.IS_POSSIBLE
    return int(digits) if possible and DIGITS_MIN <= len(digits) <= DIGITS_MAX else None


def test_there_is_every_country() -> None:
    assert len(CODES) > 200
    assert len(EXAMPLES) > 1_000


@pytest.mark.slow
def test_every_plan_reads_its_own_numbers_as_phonenumbers_does() -> None:
    differ = [
        (home, text, read, expected)
        for number in EXAMPLES
        if (home := number.country_code) is not None
        for text in forms_at_home(number)
        if (expected := reference(text, home)) is not None
        and (read := DialPlan.of_country(home).number(text)) != expected
    ]
    assert differ == []


@pytest.mark.slow
def test_bare_digits_with_the_own_code_are_what_phonenumbers_reads_or_lost_their_plus() -> None:
    for number in EXAMPLES:
        home = number.country_code
        assert home is not None
        with_plus = e164(number)
        read = DialPlan.of_country(home).number(with_plus[1:])
        expected = reference(with_plus, home)
        if expected is not None:
            assert read in (expected, reference(with_plus[1:], home)), (home, with_plus)


@given(st.sampled_from(EXAMPLES), st.sampled_from(CODES), st.integers(0, 99))
@example(phonenumbers.PhoneNumber(country_code=247, national_number=62889), 852, 0)
def test_number_dialled_from_any_other_country_is_that_number(
    known: phonenumbers.PhoneNumber, home: int, tail: int
) -> None:
    number = phonenumbers.PhoneNumber()
    number.merge_from(known)
    assert number.national_number is not None
    number.national_number += tail
    text = phonenumbers.format_out_of_country_calling_number(number, region_of(home))
    expected, whole = reference(text, home), int(e164(number).removeprefix("+"))
    if expected is not None:
        # Where 00 may go with a carrier's digit, as in Hong Kong, the library itself reads
        # 00 247 62889 as 002 47 62889: nobody can tell, and the number that was meant is right too.
        assert DialPlan.of_country(home).number(text) in (expected, whole)


@given(st.sampled_from(EXAMPLES), st.integers(0, 99), st.data())
def test_number_near_an_example_is_read_at_home_as_phonenumbers_does(
    known: phonenumbers.PhoneNumber, tail: int, data: st.DataObject
) -> None:
    number = phonenumbers.PhoneNumber()
    number.merge_from(known)
    assert number.national_number is not None
    assert number.country_code is not None
    number.national_number += tail
    text = data.draw(st.sampled_from(list(forms_at_home(number))))
    expected = reference(text, number.country_code)
    read = DialPlan.of_country(number.country_code).number(text)
    # Fewer than 7 digits are also what short codes are: they may be none.
    short = sum(map(str.isdigit, text)) < DIGITS_MIN and not text.startswith("+")
    if expected is not None:
        assert read == expected or (short and read is None)
