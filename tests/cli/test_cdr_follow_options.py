"""`ringfence adapter cdr --follow` refuses in words what does not fit, before anything is read."""

import json
from pathlib import Path

import pytest

STATE = {"feed": "cdr-1", "format": "asterisk", "looked": 1, "claimed": 1, "read_before": 0}


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "Master.csv"
    path.write_text("")
    return path


def follow(ringfence, records: Path, *options: str, code: int) -> str:
    result = ringfence(
        *("adapter", "cdr", "--country", "44", "--feed", "cdr-1", "--format", "asterisk"),
        *(str(records), *options),
        code=code,
    )
    return " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--follow", "--json"), "--follow goes without --complete-from, --complete-to, --yes,"),
        (("--follow", "--rejects", "r"), "--follow goes without"),
        (("--follow", "--yes"), "--follow goes without"),
        (("--state", "s"), "--longest-call, --state and --pattern go with --follow"),
        (("--pattern", "*.csv"), "--longest-call, --state and --pattern go with --follow"),
        (("--longest-call", "9"), "--longest-call, --state and --pattern go with --follow"),
        (("--follow", "--longest-call", "-1"), "is not in the range 0<=x<=604800"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    ringfence, records: Path, options: tuple[str, ...], said: str
) -> None:
    assert said in follow(ringfence, records, *options, code=2)


def test_a_file_that_is_not_there_yet_may_be_followed_but_not_without_its_folder(
    ringfence, tmp_path: Path
) -> None:
    missing = tmp_path / "nowhere" / "Master.csv"
    assert "is no folder: nothing to follow there" in follow(ringfence, missing, "--follow", code=2)
    assert "does not exist" in follow(ringfence, missing, code=2)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("{", "is not a state of this adapter; delete it to begin now"),
        (json.dumps({**STATE, "files": [["a", 1, 2, "x"]]}), "is not a state of this adapter"),
        (json.dumps({**STATE, "files": [], "feed": "b"}), "is of feed b, expected is cdr-1"),
        (
            json.dumps({**STATE, "files": [], "format": "csv"}),
            "is of format csv, expected is asterisk",
        ),
    ],
)
def test_a_state_of_something_else_is_refused(
    ringfence, records: Path, tmp_path: Path, state: str, said: str
) -> None:
    path = tmp_path / "state"
    path.write_text(state)
    assert said in follow(ringfence, records, "--follow", "--state", str(path), code=4)


def test_a_state_that_cannot_be_written_is_told_before_anything_is_read(
    ringfence, records: Path, tmp_path: Path
) -> None:
    there = tmp_path / "file"
    there.write_text("")
    said = follow(ringfence, records, "--follow", "--state", str(there / "state"), code=4)
    assert "Not a directory" in said
