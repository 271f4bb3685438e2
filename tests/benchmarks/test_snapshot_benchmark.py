"""The benchmark of snapshots runs, at a size at which its figures mean nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import ROOT

pytestmark = pytest.mark.slow


def test_snapshot_benchmark_prints_its_table(tmp_path: Path) -> None:
    command = ["benchmarks/snapshot.py", "--smoke", "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"command   python {' '.join(command)}" in done.stdout
    rows = re.findall(r"^(.+?)  +[\d.]+ +[\d.]+ +[\d.]+x$", done.stdout, re.MULTILINE)
    assert rows == [
        "plain write, fsync", "write", "plain read", "check", "load, 1 threads", "load, 2 threads"
    ]  # fmt: skip
    assert not list(tmp_path.iterdir())
