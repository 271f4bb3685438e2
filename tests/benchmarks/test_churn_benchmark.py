"""The benchmark of numbers that come and go runs, at a size at which its figures mean little."""

import json
import re
from pathlib import Path

import pytest
from support.benchmark_run import run

pytestmark = pytest.mark.slow


def test_churn_benchmark_finds_searches_as_short_as_in_a_fresh_table(tmp_path: Path) -> None:
    files, rows_path = tmp_path / "files", tmp_path / "rows"
    files.mkdir()
    printed = run("churn.py", "--smoke", "--folder", str(files), "--json", str(rows_path))
    rows = [json.loads(line) for line in rows_path.read_text().splitlines()]
    assert len(rows) == 3 == len(re.findall(r"^\| \d+ \|", printed, re.MULTILINE))
    assert all(row["mean"] == row["fresh mean"] > 0 for row in rows)
    assert all(row["in use"] + row["ready"] <= 2_000 for row in rows)
    assert rows[-1]["left"] > 1_000, "as many have left as there is room for, nearly"
    assert rows[-1]["as the oracle"] > 100
    starts = re.findall(r"the same ([\d,]+) numbers after kill -9: recovered=([a-z]+)", printed)
    assert [how for _, how in starts] == ["memory", "snapshot"]
    assert not list(files.iterdir())
