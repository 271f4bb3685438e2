"""Written numbers become E.164 integers, or nothing."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.wording.dialled import DialPlan, digits_of

MOBILE = phonenumbers.PhoneNumberType.MOBILE
FIXED_LINE = phonenumbers.PhoneNumberType.FIXED_LINE
E164 = phonenumbers.PhoneNumberFormat.E164
GB = DialPlan.of_country(44)


def example_number(region: str, of_type: int) -> phonenumbers.PhoneNumber:
    """A number that phonenumbers made up for a country that sets none aside for fiction."""
    example = phonenumbers.example_number_for_type(region, of_type)
    assert example is not None
    return example


@pytest.mark.parametrize(
    "text",
    [
        "+447700900123",
        "00447700900123",
        "07700900123",
        "447700900123",
        "7700900123",
        "+44-7700-900-123",
        "+44 (0)7700 900123",
        "(0)7700 900123",
        "(07700) 900.123",
        "+4407700900123",
        "+447700900123;ext=22",
        "+447700900123;npdi;rn=+441632960000",
        "07700900123;cic=+16789;phone-context=+44",
        "7700900123;phone-context=+44",
        "7700900123;phone-context=ims.example",
        "+447700900123;phone-context=+31",
    ],
)
def test_written_form_is_the_number(text: str) -> None:
    assert GB.number(text) == 447700900123


@pytest.mark.parametrize(
    ("calling_code", "text", "number"),
    [
        (1, "12125550100", 12125550100),
        (1, "2125550100", 12125550100),
        (1, "(212) 555-0100", 12125550100),
        (1, "011447700900123", 447700900123),
        (7, "810447700900123", 447700900123),
        (39, "00447700900123", 447700900123),
        (61, "0011447700900123", 447700900123),
        (61, "0491570156", 61491570156),
        (66, "001447700900123", 447700900123),
        (44, "+61 (0)491 570 156", 61491570156),
        (31, "07700900123;phone-context=+44", 447700900123),
        (44, "0491570156;phone-context=+61", 61491570156),
        (44, "5550100;phone-context=+1-212", 12125550100),
    ],
)
def test_each_country_has_its_own_prefixes(calling_code: int, text: str, number: int) -> None:
    assert DialPlan.of_country(calling_code).number(text) == number


@pytest.mark.parametrize("calling_code", [31, 44, 46, 49, 62, 84, 234])
def test_bare_digits_that_begin_with_the_own_code_are_international(calling_code: int) -> None:
    region = phonenumbers.region_code_for_country_code(calling_code)
    plan = DialPlan.of_country(calling_code)
    for example_type in (FIXED_LINE, MOBILE):
        written = phonenumbers.format_number(example_number(region, example_type), E164)
        assert plan.number(written[1:]) == plan.number(written) == int(written[1:])


def test_bare_digits_of_a_range_that_is_not_in_use_yet_are_international() -> None:
    plan = DialPlan.of_country(49)
    assert not phonenumbers.is_valid_number(phonenumbers.parse("+491991234567"))
    assert plan.number("491991234567") == plan.number("+491991234567") == 491991234567


def test_bare_digits_too_short_for_a_whole_number_are_national() -> None:
    assert DialPlan.of_country(91).number("9123456789") == 919123456789
    assert DialPlan.of_country(91).number("919123456789") == 919123456789


@pytest.mark.parametrize("calling_code", [39, 225, 242])
def test_zero_stays_where_it_is_part_of_the_number(calling_code: int) -> None:
    region = phonenumbers.region_code_for_country_code(calling_code)
    for example_type in (FIXED_LINE, MOBILE):
        example = example_number(region, example_type)
        national = phonenumbers.national_significant_number(example)
        number = int(f"{calling_code}{national}")
        plan = DialPlan.of_country(calling_code)
        assert plan.number(national) == number
        assert plan.number(f"+{calling_code} {national}") == number
        assert plan.number(f"00{calling_code}{national}") == number
        assert GB.number(f"+{calling_code}{national}") == number
        if national.startswith("0"):
            assert GB.number(f"+{calling_code} (0){national[1:]}") == number


def test_eight_is_a_prefix_or_a_digit_in_russia() -> None:
    plan = DialPlan.of_country(7)
    example = example_number("RU", phonenumbers.PhoneNumberType.TOLL_FREE)
    national = phonenumbers.national_significant_number(example)
    assert national.startswith("8")
    assert plan.number(national) == plan.number("8" + national) == int("7" + national)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        ";",
        "112",
        "+112",
        "61234",
        "770090",
        "anonymous",
        "1-800-FLOWERS",
        "*31*07700900123",
        "#31#07700900123",
        "++447700900123",
        "44+7700900123",
        "+447700900001/1",
        "07700900001/1",
        "+0447700900123",
        "000447700900123",
        "+4477009001234567",
        "12125550100",
        "61491570156",
        "٠٧٧٠٠٩٠٠١٢٣",
        "5550100;phone-context=+",
        "0" * 5_000,
        "9" * 5_000,
    ],
)
def test_what_is_no_number_is_none(text: str) -> None:
    assert GB.number(text) is None


@pytest.mark.parametrize(
    ("calling_code", "text", "number"),
    [
        (298, "201234", 298201234),
        (298, "20 12 34", 298201234),
        (299, "321000", 299321000),
        (376, "712345", 376712345),
        (500, "31234", 50031234),
        (508, "430123", 508430123),
        (508, "0430123", 508430123),
        (683, "4002", 6834002),
        (685, "22123", 68522123),
        (355, "900123", 355900123),
        (49, "030123", 4930123),
        (44, "+298201234", 298201234),
        (44, "00298 201234", 298201234),
    ],
)
def test_short_plans_have_short_numbers(calling_code: int, text: str, number: int) -> None:
    assert DialPlan.of_country(calling_code).number(text) == number


@pytest.mark.parametrize(
    ("calling_code", "text"),
    [
        *((298, text) for text in ("112", "114", "1870", "20123", "+20123", "201234567")),
        *((376, text) for text in ("112", "118", "+712345")),
        *((500, text) for text in ("999", "3123")),
        *((49, text) for text in ("112", "11833", "116117", "61234", "2001", "03012")),
        *((43, text) for text in ("12345", "118877")),
        *((352, text) for text in ("112", "12123")),
        *((39, text) for text in ("112", "12345")),
        *((1, text) for text in ("911", "61234")),
        (98, "9601"),  # six digits with its code: no number of E.164 is so short
    ],
)
def test_short_codes_and_extensions_are_no_numbers(calling_code: int, text: str) -> None:
    assert DialPlan.of_country(calling_code).number(text) is None


@pytest.mark.parametrize(
    "text", ["+5215512345678", "5215512345678", "005215512345678", "+52 1 55 1234 5678"]
)
def test_former_prefix_of_mexico_is_no_part_of_the_number(text: str) -> None:
    plan = DialPlan.of_country(52)
    assert plan.number(text) == plan.number("+525512345678") == 525512345678
    assert plan.number("5512345678") == plan.number("525512345678") == 525512345678
    assert DialPlan.of_country(34).number(text) == (525512345678 if text[0] in "+0" else None)


def test_prefix_of_another_country_behind_its_code_is_no_part_of_the_number() -> None:
    assert GB.number("+61 0491 570156") == GB.number("0061 0491 570156") == 61491570156
    assert DialPlan.of_country(61).number("+4407700900123") == 447700900123


def test_seven_digits_within_an_area_are_no_number() -> None:
    assert DialPlan.of_country(1).number("5550100") is None


@pytest.mark.parametrize("calling_code", [0, 210, 882, 999, -44])
def test_calling_code_without_a_country_is_refused(calling_code: int) -> None:
    with pytest.raises(ValueError, match=f"not a country: value={calling_code},"):
        DialPlan(calling_code)


COUNTRIES = (1, 7, 31, 33, 34, 39, 44, 45, 49, 61, 81, 351, 353, 421)


@st.composite
def ordinary_form(draw: st.DrawFn) -> tuple[int, str, int]:
    """A country, a number of some country as a caller there could write it, and that number."""
    home = draw(st.sampled_from(COUNTRIES))
    owner = draw(st.sampled_from(COUNTRIES))
    region = phonenumbers.region_code_for_country_code(owner)
    number = example_number(region, draw(st.sampled_from((MOBILE, FIXED_LINE))))
    assert number.national_number is not None
    number.national_number += draw(st.integers(0, 99))
    forms = [
        phonenumbers.format_number(number, E164),
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL),
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.RFC3966)[4:],
        phonenumbers.format_out_of_country_calling_number(
            number, phonenumbers.region_code_for_country_code(home)
        ),
    ]
    if home == owner:
        forms.append(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))
    return home, draw(st.sampled_from(forms)), int(phonenumbers.format_number(number, E164)[1:])


@given(ordinary_form())
def test_ordinary_forms_agree_with_phonenumbers(form: tuple[int, str, int]) -> None:
    home, text, number = form
    reference = phonenumbers.parse(text, phonenumbers.region_code_for_country_code(home))
    assert int(phonenumbers.format_number(reference, E164)[1:]) == number
    assert DialPlan.of_country(home).number(text) == number


@given(st.sampled_from(COUNTRIES), st.text())
@pytest.mark.slow
def test_any_text_is_a_number_within_bounds_or_none(calling_code: int, text: str) -> None:
    number = DialPlan.of_country(calling_code).number(text)
    assert number is None or 10**6 <= number < 10**15
    assert digits_of(text) == "" or digits_of(text).removeprefix("+").isdigit()


@given(st.text(alphabet="+0123456789()-. ;=phonectx", max_size=40))
def test_near_numbers_never_raise(text: str) -> None:
    number = GB.number(text)
    assert number is None or 10**6 <= number < 10**15
