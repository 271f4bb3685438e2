"""The benchmark of the keeper's loop runs, at a size at which its figures mean nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import ROOT

pytestmark = pytest.mark.slow

TIMEOUT_S = 600


def test_loop_benchmark_prints_a_row_for_each_kind_of_work(tmp_path: Path) -> None:
    command = ["benchmarks/loop.py", "--smoke", "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"command   python {' '.join(command)}" in done.stdout
    rows = re.findall(r"^\| (.+?) \| [\d.]+ \| [\d.]+ \| [\d.]+ \| [\d.]* \|$", done.stdout, re.M)
    assert len(rows) == 14
    assert "2,000 leases end in one second" in rows
    assert "5,000 numbers leave the table" in rows
    assert not list(tmp_path.iterdir())
