"""What stands for no number is nobody's: two such callers are never one caller who calls twice."""

import pytest

from ringfence.wording.withheld import USUAL, WITHHELD_TEXTS, Withheld


@pytest.mark.parametrize(
    "text",
    [
        *WITHHELD_TEXTS,
        *("Anonymous", "ASTERISK", "+", "++", "-", " ", '"Unknown Caller"', "unknown_caller"),
        *("Unknown-Caller", "UnknownCaller", "unknown\u00a0caller", "(null)", "<Unknown>"),
        *("anonymous;user=phone", "+266696687", "266-696-687", "Undefined "),
    ],
)
def test_words_for_nobody_are_known_however_they_are_written(text: str) -> None:
    assert USUAL.covers(text)


@pytest.mark.parametrize(
    "text", ["+441632960321", "201", "BANKNAME", "asterisks", "2666966870", "1266696687", "*", "0"]
)
def test_whoever_has_a_number_or_a_name_is_somebody(text: str) -> None:
    assert not USUAL.covers(text)


def test_an_operator_adds_words_and_numbers() -> None:
    more = Withheld(["No CLI", "+1 234567890", "0042"])
    for text in ("nocli", "NO-CLI", "1234567890", "+1-234-567-890", "0042", "asterisk"):
        assert more.covers(text)
    assert not more.covers("42")
    assert not USUAL.covers("nocli")
