"""How the code looks, checked like any other fact: sizes, docstrings, names, numbers, stubs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import ROOT

FOLDERS = ["benchmarks", "docs", "engine", "packaging", "proto", "server", "src/ringfence", "tests"]
SOURCES = {".py", ".pyx", ".pxd", ".pyi"}
TEXTS = SOURCES | {".h", ".proto", ".toml", ".md"}
GENERATED = re.compile(r"_pb2(_grpc)?\.pyi?$")
LINES_MAX = 499
COLUMNS_MAX = 100
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "handler", "impl"}

# Numbers that nobody has: kept for fiction by regulators, or of country code 999, which belongs
# to no country. First and last; national forms are 44's.
NOBODYS = [
    (447700900000, 447700900999),
    (999 * 10**9, 10**12 - 1),
    (441632960000, 441632960999),
    (442079460000, 442079460999),
    (448081570000, 448081570999),
    *((int(f"1{area}5550100"), int(f"1{area}5550199")) for area in (212, 310, 312, 415, 617)),
    *((n, n) for n in (61491570006, 61491570110, *(61491570156 + i for i in range(4)))),
]
BOUNDS = {
    10**14: "the least number of 15 digits",
    10**15 - 1: "the greatest number of 15 digits",
    447700901000: "the end of a range for fiction, itself not in it",
    0: "digits that are no number",
}
LONG_DIGITS = re.compile(r"(?<![\w.])\+?(\d{11,15})(?!\w|\.\d)")


def source_files(suffixes: set[str]) -> list[Path]:
    """The files that people write, without the links from src to the folders at the top."""
    found = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    return sorted(
        path
        for path in found
        if path.suffix in suffixes
        and not GENERATED.search(path.name)
        and "__pycache__" not in path.parts
        and not any(part.endswith(".egg-info") for part in path.parts)
    )


def every(suffixes: set[str]) -> list[tuple[str, str]]:
    """The path in the checkout and the text of every file with one of these suffixes."""
    return [(str(path.relative_to(ROOT)), path.read_text()) for path in source_files(suffixes)]


def test_there_is_something_to_check() -> None:
    names = {name for name, _ in every(TEXTS)}
    assert {"setup.py", "pyproject.toml", "engine/memory/segment.pyx"} <= names
    assert {"engine/memory/record.h", "server/config/default_config.toml"} <= names
    assert not any(name.startswith("src/ringfence/engine") for name in names)


def test_every_file_holds_one_idea_and_not_two() -> None:
    lengths = {name: len(text.splitlines()) for name, text in every(SOURCES)}
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}


def test_lines_fit_a_hundred_columns() -> None:
    longer = [
        f"{name}:{at}: {len(line)}"
        for name, text in every(SOURCES)
        for at, line in enumerate(text.splitlines(), 1)
        if len(line) > COLUMNS_MAX
    ]
    assert longer == []


def test_every_file_begins_by_saying_what_it_is() -> None:
    begins = re.compile(r'(?:#.*\n|\n)*"""[^"\s]')  # with a docstring, behind comments
    assert [name for name, text in every(SOURCES) if not begins.match(text)] == []


def test_every_file_name_says_what_is_in_it() -> None:
    words = {name: set(re.split(r"[_.]", Path(name).stem.lower())) for name, _ in every(SOURCES)}
    assert {
        name: found & BANNED_NAMES for name, found in words.items() if found & BANNED_NAMES
    } == {}


def test_nothing_refers_outside_the_checkout() -> None:
    outside = ["/".join(["..", "shared"]), "/".join(["", "work", ""])]
    found = [(name, place) for name, text in every(TEXTS) for place in outside if place in text]
    assert found == []


def test_every_telephone_number_is_nobodys() -> None:
    somebodys = [
        (name, digits)
        for name, text in every(TEXTS)
        for digits in LONG_DIGITS.findall(re.sub(r"(?<=\d)_(?=\d)", "", text))
        if not is_nobodys(digits)
    ]
    assert somebodys == []


def is_nobodys(digits: str) -> bool:
    """Whether nobody can have this number, written with its country or as at home in Britain."""
    number = int(re.sub(r"^(011|001|810)(?=44)", "", digits))  # as dialled from abroad
    national = int(str(number).removeprefix("440"))  # as in +44 (0) 7700 ...
    if "1234567" in digits:  # counted up: the form of a number, where no number is kept for fiction
        return True
    return number in BOUNDS or any(
        first <= each <= last for each in (number, int(f"44{national}")) for first, last in NOBODYS
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("+" + "9" * 12, ["9" * 12]),
        ("call 447700900123.", ["447700900123"]),
        ("0x447700900123 v1.447700900123 447700900123.5 a447700900123", []),
    ],
)
def test_search_for_numbers_finds_them(text: str, found: list[str]) -> None:
    assert LONG_DIGITS.findall(text) == found


@pytest.mark.slow
def test_stubs_say_what_the_modules_are() -> None:
    compiled = (path.relative_to(ROOT) for path in (ROOT / "engine").rglob("*.pyx"))
    modules = [".".join(("ringfence", *path.with_suffix("").parts)) for path in compiled]
    assert modules
    checked = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", *modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
