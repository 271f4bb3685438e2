"""Numbers as people give them to commands: arguments, ranges, text and CSV, good and bad."""

import io
from pathlib import Path

import click
import pytest

from ringfence.cli import number_input
from ringfence.cli.number_input import (
    NUMBERS_MAX,
    InputError,
    Numbers,
    numbers_of_arguments,
    numbers_of_lines,
    parse_numbers,
    read_numbers,
)
from ringfence.wording.times import parse_time

FIRST = 447700900000


def of_text(text: str) -> Numbers:
    """The numbers of a file with this content."""
    return numbers_of_lines(io.StringIO(text, newline=""), "FILE")


def test_arguments_are_numbers_and_ranges_in_their_order() -> None:
    numbers = numbers_of_arguments(["+447700900005", "+447700900001-+447700900003"])
    assert [number - FIRST for number in numbers.number] == [5, 1, 2, 3]
    assert not numbers.quarantined_at.any()
    assert not numbers.reason.any()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("447700900123", "numbers are written with +: value='447700900123'"),
        ("+44770090012x", "not an E.164 number: value='+44770090012x', bound=+ and 7 to 15 digits"),
        ("+447700900123-447700900125", "numbers are written with +: value='447700900125'"),
        ("+447700900123-", "not an E.164 number: value=''"),
        ("+44-7700-900123", "not an E.164 number: value='+44-7700-900123'"),
        ("+447700900125-+447700900123", "range runs backwards"),
        (
            "+999000000000-+999999999999",
            f"range too large: numbers={10**9}, limit={NUMBERS_MAX}",
        ),
    ],
)
def test_what_is_no_number_is_said(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_numbers(text)
    assert str(caught.value).startswith(problem)
    with pytest.raises(InputError) as refused:
        numbers_of_arguments(["+447700900000", text])
    assert refused.value.exit_code == 2


def test_a_text_file_has_a_number_or_range_a_line_and_comments() -> None:
    numbers = of_text(
        "\ufeff# from the switch\r\n\r\n +447700900001 \r\n+447700900003-+447700900004\n\n"
    )
    assert [number - FIRST for number in numbers.number] == [1, 3, 4]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_export_is_read_by_its_header(delimiter: str) -> None:
    rows = [
        ["Customer", "NUMBER", "Quarantined At", "reason", "pool", "observed_since"],
        ['"Ünal, A."', "+447700900001", "2026-02-01T10:00:00+01:00", "non-payment", "nl", ""],
        ["", "+447700900002-+447700900003", "", "", "", "2026-02-02"],
    ]
    numbers = of_text("\n".join(delimiter.join(row) for row in rows))
    assert [number - FIRST for number in numbers.number] == [1, 2, 3]
    assert list(numbers.quarantined_at) == [parse_time("2026-02-01T09:00:00Z"), 0, 0]
    assert list(numbers.observed_since) == [0, *[parse_time("2026-02-02")] * 2]
    assert list(numbers.reason) == [2, 0, 0]
    assert [numbers.pool_names[pool] for pool in numbers.pool] == ["nl", "", ""]
    assert numbers.ignored_columns == ("customer",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "FILE: no number in it"),
        ("number\n", "FILE: no number in it"),
        ("msisdn\n+447700900001\n", "FILE, line 1: value='msisdn', bound=a number with +"),
        ("447700900001\n", "FILE, line 1: numbers are written with +: value='447700900001'"),
        ("+447700900001\n\n00447700900002\n", "FILE, line 3: numbers are written with +"),
        ("+447700900001,2026-01-01\n", "FILE, line 1: not an E.164 number"),
        ("number\n+447700900001\n\n447700900002\n", "FILE, line 4: numbers are written with +"),
        ("number,pool\n+447700900001\n", "FILE, line 2: columns=1, bound=2 as in the header"),
        ("number,number\n", "FILE, line 1: column 'number' stands twice"),
        (
            "number,quarantine_at\n",
            "FILE, line 1: column 'quarantine_at': did you mean 'quarantined_at'?",
        ),
        ("number,reason\n+447700900001,moved\n", "FILE, line 2: unknown reason: value='moved'"),
        (
            "number,quarantined_at\n+447700900001,01/02/2026\n",
            "FILE, line 2: not a time: value='01/02/2026', bound=RFC 3339",
        ),
        ('number\n"+447700900001\n', "FILE, line 2: "),
        (
            "# a\n# b\nnumber\n+447700900001\nx\n",
            "FILE, line 5: not an E.164 number: value='x'",
        ),
    ],
)
def test_bad_input_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        of_text(text)
    assert caught.value.format_message().startswith(problem)


def test_more_numbers_than_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_input, "NUMBERS_MAX", 1_000)  # with as many as fit it takes long
    with pytest.raises(InputError, match="too many numbers: limit=1000"):
        numbers_of_arguments(["+100000000-+100000500"] * 2)


def test_a_file_in_another_encoding_is_read_as_far_as_it_matters(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes("number,name\n+447700900001,Müller\n".encode("latin-1"))
    with path.open("rb") as file:
        assert list(read_numbers((), file).number) == [447700900001]


@pytest.mark.parametrize("arguments", [(), ("-", "+447700900001")])
def test_there_is_exactly_one_source(arguments: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        read_numbers(arguments, None)


def test_numbers_and_a_file_do_not_mix() -> None:
    with pytest.raises(click.UsageError, match="not both"):
        read_numbers(("+447700900001",), io.BytesIO())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1),
        ("2026-03-01", 1_772_323_200),
        ("2026-03-01T12:00:00", 1_772_366_400),
        ("2026-03-01T12:00:00+01:00", 1_772_362_800),
    ],
)
def test_times_are_rfc_3339_and_utc_unless_said(text: str, seconds: int) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "yesterday", "01/02/2026", "1969-12-31", "2107-01-01"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time: value="):
        parse_time(text)
