"""The benchmark of the keeper's loop runs, at a size at which its figures mean nothing."""

import re
from pathlib import Path

import pytest
from support.benchmark_run import run

pytestmark = pytest.mark.slow


def test_benchmark_of_the_loop_has_a_row_for_each_kind_of_work(tmp_path: Path) -> None:
    printed = run("keeper_loop.py", "--smoke", "--folder", str(tmp_path))
    rows = re.findall(r"^\| (.+?) \| [\d.]+ \| [\d.]+ \| [\d.]+ \| [\d.]* \|$", printed, re.M)
    assert len(rows) == 16
    assert "2,000 leases end in one second" in rows
    assert "5,000 numbers leave the table" in rows
    assert not list(tmp_path.iterdir())
