"""Numbers between text and integer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine.number import (
    NUMBER_MAX,
    NUMBER_MIN,
    format_number,
    is_number,
    parse_number,
)


@given(st.integers(NUMBER_MIN, NUMBER_MAX))
def test_every_number_survives_the_way_to_text_and_back(number: int) -> None:
    assert parse_number(format_number(number)) == number
    assert is_number(number)


@pytest.mark.parametrize("text", ["+447700900123", "+1000000", "+999999999999999"])
def test_text_survives_the_way_to_number_and_back(text: str) -> None:
    assert format_number(parse_number(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "447700900123",
        "00447700900123",
        "+0447700900123",
        "+44 7700 900123",
        " +447700900123",
        "+447700900123\n",
        "+100000",
        "+1000000000000000",
        "++447700900123",
        "+44770090012a",
        "-447700900123",
        "+٤٤٧٧٠٠٩٠٠١٢٣",  # digits, but not the ten that numbers are dialled with
    ],
)
def test_other_text_is_refused_with_the_bound(text: str) -> None:
    with pytest.raises(ValueError, match=r"bound=\+ and 7 to 15 digits"):
        parse_number(text)


@given(st.text())
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        number = parse_number(text)
    except ValueError:
        return
    assert format_number(number) == text


@pytest.mark.parametrize("number", [-1, 0, NUMBER_MIN - 1, NUMBER_MAX + 1, 2**64])
def test_other_integers_are_no_numbers(number: int) -> None:
    assert not is_number(number)
