"""Times are RFC 3339 or in the form that was said, and nothing that only looks like a time."""

import pytest

from ringfence.wording.times import parse_time, time_reader

NOON = 1_772_366_400  # 2026-03-01T12:00:00Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1),
        ("2026-03-01", NOON - 43_200),
        ("2026-03-01T12:00:00", NOON),
        ("2026-03-01 12:00:00", NOON),
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01t12:00:00z", NOON),
        ("2026-03-01T12:00:00.999999Z", NOON),
        ("2026-03-01T12:00:00-00:00", NOON),
        ("2026-03-01T12:00:00+01:00", NOON - 3_600),
        ("2026-02-28T23:30:00-12:30", NOON),
    ],
)
def test_times_are_rfc_3339_and_utc_unless_said(text: str, seconds: int) -> None:
    assert parse_time(text) == seconds


def test_a_leap_second_is_the_second_before_it() -> None:
    before = parse_time("2016-12-31T23:59:59Z")
    assert parse_time("2016-12-31T23:59:60Z") == before
    assert parse_time("2017-01-01T00:59:60.5+01:00") == before
    for text in ("2016-12-31T23:58:60Z", "2016-12-30T23:59:60Z", "2016-12-31T23:59:61Z"):
        with pytest.raises(ValueError, match="not a time"):
            parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "01/02/2026",
        "1969-12-31",
        "2107-01-01",
        "2026-02-30",
        "0000-01-01",
        "2026-03-01T24:00:00Z",
        "20260301",
        "20260801" + "112",
        "20260301T120000Z",
        "2026-W09-7",
        "2026-03-01T12Z",
        "2026-03-01T12:00Z",
        "2026-03-01T12:00:00+0100",
        "2026-03-01T12:00:00,5Z",
        "2026-03-01Z",
        "1772366400",
        "\u0662\u0660\u0662\u0666-03-01",
    ],
)
def test_other_times_are_refused_and_the_form_is_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a time: value=.* 2026-03-01T12:00:00Z"):
        parse_time(text)


@pytest.mark.parametrize(
    ("form", "text", "seconds"),
    [
        ("%d/%m/%Y", "01/03/2026", NOON - 43_200),
        ("%d.%m.%y", "1.3.26", NOON - 43_200),
        ("%d/%m/%Y %H:%M", "01/03/2026 12:00", NOON),
        ("%Y%m%dT%H%M%S%z", "20260301T130000+0100", NOON),
    ],
)
def test_a_form_that_is_named_is_read(form: str, text: str, seconds: int) -> None:
    assert time_reader(form)(text) == seconds


def test_a_form_that_is_named_is_the_only_one() -> None:
    read = time_reader("%Y-%d-%m")
    for text in ("2026-01-13", "2026-01-13T00:00:00Z", ""):  # never read in two ways
        with pytest.raises(ValueError, match=r"not a time: value=.*, bound=%Y-%d-%m such as 2026-"):
            read(text)


@pytest.mark.parametrize("form", ["", "%H:%M", "%d/%m", "dd/mm/yyyy", "%Q"])
def test_a_form_without_a_day_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match=r"bound=.*such as %d/%m/%Y"):
        time_reader(form)
