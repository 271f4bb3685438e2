"""Numbers in every form that people and their spreadsheets write; what is lost is not guessed."""

import pytest

from ringfence.wording.numbers import WrittenNumbers

NUMBER = 447700900123
ANYWHERE = WrittenNumbers()
BRITAIN = WrittenNumbers(44)


@pytest.mark.parametrize(
    "text",
    [
        "+447700900123",
        "+44 7700 900123",
        "+44-7700-900-123",
        "+44-7700900123",
        "+44.7700.900123",
        "+44/7700/900123",
        " +447700900123\t",
        "\ufeff+447700900123",
        "+44\u00a07700\u00a0900123",
        "+44\udca07700\udca0900123",
        "\u202a+447700900123\u202c",
        "'+447700900123",
        "'+447700900123'",
        '"+447700900123"',
        '="+447700900123"',
        "+447700900123.0",
    ],
)
def test_a_number_with_its_plus_is_read_from_everywhere(text: str) -> None:
    assert ANYWHERE.number(text) == NUMBER
    assert BRITAIN.number(text) == NUMBER
    assert BRITAIN.numbers(text) == (NUMBER, NUMBER)


@pytest.mark.parametrize(
    "text",
    [
        "07700900123",
        "07700 900123",
        "(07700) 900123",
        "07700-900123",
        "07700/900123",
        "7700900123",  # a spreadsheet took the 0 for a figure
        "447700900123",
        "447700900123.0",
        "447700900123,00",
        "00447700900123",
        "'07700900123",
        '="07700900123"',
        "+44 (0)7700 900123",
    ],
)
def test_national_forms_are_read_from_their_country_only(text: str) -> None:
    assert BRITAIN.number(text) == NUMBER
    with pytest.raises(ValueError, match="value="):
        ANYWHERE.number(text)


def test_without_a_country_it_is_said_how_to_name_one() -> None:
    with pytest.raises(ValueError, match=r"written with \+: .*07700900123.* --country 44"):
        ANYWHERE.number("07700900123")


@pytest.mark.parametrize("text", ["4.47701E+11", "4,47701E+11", "4.47701e11", "'4.477009E+11"])
@pytest.mark.parametrize("written", [ANYWHERE, BRITAIN])
def test_what_a_spreadsheet_rounded_is_refused_and_told(written: WrittenNumbers, text: str) -> None:
    with pytest.raises(ValueError, match=r"rounded .* export it again .* formatted as text"):
        written.number(text)


@pytest.mark.parametrize("text", ["447700900.000", "+447700900,000", "447700900123.000"])
@pytest.mark.parametrize("written", [ANYWHERE, BRITAIN])
def test_a_fraction_that_may_be_the_numbers_own_figures_is_refused(
    written: WrittenNumbers, text: str
) -> None:
    with pytest.raises(ValueError, match="a number without a fraction"):
        written.number(text)


@pytest.mark.parametrize("text", ["", "x", "+", "112", "+44x7700900123", "447700900123.5", "0"])
def test_what_is_no_number_is_none_in_a_country_either(text: str) -> None:
    with pytest.raises(ValueError, match="value="):
        BRITAIN.number(text)


@pytest.mark.parametrize(
    "text",
    [
        "+447700900120-+447700900123",
        "+44 7700 900120 - +44 7700 900123",
        "+447700900120\u2013+447700900123",
        "07700900120-07700900123",
        "07700 900120 - 07700 900123",
        "447700900120-447700900123",
    ],
)
def test_a_range_may_have_the_same_forms(text: str) -> None:
    assert BRITAIN.numbers(text) == (447700900120, 447700900123)


def test_a_country_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a country: value=42"):
        WrittenNumbers(42)
