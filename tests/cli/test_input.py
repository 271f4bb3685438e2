"""Numbers as people give them to commands: arguments, ranges, text and CSV, good and bad."""

import gzip
import os
import tempfile
from pathlib import Path

import click
import pytest

from ringfence.cli import number_rows
from ringfence.cli.number_input import BadLines, InputError, NumberFile, NumberInput, read_rows
from ringfence.cli.number_rows import NUMBERS_MAX, Numbers
from ringfence.wording.numbers import WrittenNumbers
from ringfence.wording.times import parse_time

FIRST = 447700900000


def of_bytes(content: bytes, country: int | None = None, **names: str) -> Numbers:
    """The numbers of a file with this content; `names` are what it calls its columns."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        bad = BadLines("FILE")
        numbers = read_rows(NumberFile(file, "FILE", names), WrittenNumbers(country), bad)
        bad.refuse()
    return numbers


def of_text(text: str, country: int | None = None, **names: str) -> Numbers:
    """The numbers of a file with this text."""
    return of_bytes(text.encode(), country, **names)


def numbers_of_arguments(arguments: list[str]) -> Numbers:
    """The numbers of a command line."""
    return NumberInput(arguments).read()


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
        ("+447700900125-+447700900123", "range runs backwards"),
        (
            "+999000000000-+999999999999",
            f"too many numbers: numbers={10**9 + 1}, limit={NUMBERS_MAX}",
        ),
    ],
)
def test_what_is_no_number_is_said(text: str, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        numbers_of_arguments(["+447700900000", text])
    assert refused.value.exit_code == 2
    assert refused.value.format_message().startswith(problem)


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
    assert numbers.ignored_columns == ("Customer",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("msisdn\n+447700900001\n", "FILE, line 1: value='msisdn', bound=a number with +"),
        ("447700900001\n", "FILE, line 1: numbers are written with +: value='447700900001'"),
        ("+447700900001\n\n00447700900002\n", "FILE, line 3: numbers are written with +"),
        ("+447700900001,2026-01-01\n", "FILE, line 1: not an E.164 number"),
        ("number\n+447700900001\n\n447700900002\n", "FILE, line 4: numbers are written with +"),
        ("number,pool\n+447700900001\n", "FILE, line 2: value=1 cells, bound=2 as in the header"),
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


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("07700 90", "9 or 10 digits behind 44"),
        ("0044770090", "9 or 10 digits behind 44"),
        ("07700 900123456", "9 or 10 digits behind 44"),
        ("770090", "not a number"),
    ],
)
def test_a_national_number_that_its_country_cannot_have_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        NumberInput([text], written=WrittenNumbers(44)).read()
    with pytest.raises(InputError, match=f"line 2: .*{problem}"):
        of_text(f"number\n{text}\n", 44)


def test_with_a_plus_or_of_another_country_a_number_is_as_long_as_it_is() -> None:
    numbers = NumberInput(["+44770090", "00991234567"], written=WrittenNumbers(44)).read()
    assert list(numbers.number) == [44770090, 991234567]


def test_more_numbers_than_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_rows, "NUMBERS_MAX", 1_000)  # with as many as fit it takes long
    with pytest.raises(InputError, match="too many numbers: numbers=1002, limit=1000"):
        numbers_of_arguments(["+100000000-+100000500"] * 2)


@pytest.mark.parametrize("content", [b"", b"number\n", b"# nothing\n"])
def test_a_file_without_a_number_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"empty\.csv: no number in it"):
        NumberInput(file=path).read()


def test_all_bad_lines_are_told_at_once() -> None:
    text = "number\n" + "".join(f"x{line}\n" for line in range(2, 1_000))
    with pytest.raises(InputError) as caught:
        of_text(text)
    told = caught.value.format_message().splitlines()
    assert [line.strip().partition(": ")[0] for line in told[:10]] == [
        f"FILE, line {line}" for line in range(2, 12)
    ]
    assert told[10:] == ["  and 988 more bad lines"]


STOCK = '''\
Rufnummer;Sperrdatum;Kunde
07700900001;2026-01-01;"Müller; A."
+44 7700 900002;;
447700900003;;
447700900004.0;;
00447700900005;;
'+447700900006;;
"=""07700900007""";;
7700900008;;
+44\u00a07700\u00a0900009;;
'''


@pytest.mark.parametrize(
    "content",
    [
        STOCK.encode(),
        STOCK.encode("utf-8-sig"),
        STOCK.encode("utf-16"),
        STOCK.encode("utf-16-le"),
        STOCK.encode("utf-16-be"),
        STOCK.encode("latin-1"),
        STOCK.replace("\n", "\r\n").encode(),
        STOCK.replace(";", "\t").encode(),
        gzip.compress(STOCK.encode()),
        gzip.compress(STOCK.encode("utf-16")),
    ],
    ids=["utf-8", "mark", "utf-16", "le", "be", "latin-1", "crlf", "tab", "gzip", "gzip utf-16"],
)
def test_what_a_spreadsheet_makes_of_an_export_is_read(content: bytes) -> None:
    numbers = of_bytes(content, 44, number="Rufnummer", quarantined_at="SPERRDATUM ")
    assert [number - FIRST for number in numbers.number] == list(range(1, 10))
    assert numbers.quarantined_at[0] == parse_time("2026-01-01")
    assert list(numbers.line) == list(range(2, 11))
    assert numbers.ignored_columns == ("Kunde",)


def test_a_list_in_quotes_is_one_number_to_a_line() -> None:
    assert list(of_text('"07700900001"\n"07700900002"\n', 44).number) == [FIRST + 1, FIRST + 2]


def test_a_file_that_is_cut_off_is_told() -> None:
    numbers = "".join(f"+{FIRST + place}\n" for place in range(1_000))
    with pytest.raises(InputError, match="FILE, the file is damaged or cut off"):
        of_bytes(gzip.compress(numbers.encode())[:-500])


def test_a_column_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match="FILE, line 1: no column 'MSISDN' in the header"):
        of_text("number\n+447700900001\n", number="MSISDN")


def test_a_pipe_is_read_like_a_file() -> None:
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w") as pipe:
        pipe.write(f"number\n+{FIRST}\n")
    assert list(NumberInput(file=Path(f"/dev/fd/{ours}")).read().number) == [FIRST]
    os.close(ours)


@pytest.mark.parametrize("arguments", [(), ("-", "+447700900001")])
def test_there_is_exactly_one_source(arguments: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        NumberInput(arguments).read()


def test_numbers_and_a_file_do_not_mix() -> None:
    with pytest.raises(click.UsageError, match="not both"):
        NumberInput(("+447700900001",), Path("FILE")).read()
