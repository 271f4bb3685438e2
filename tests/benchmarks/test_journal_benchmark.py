"""The benchmark of the journal still runs, and compares."""

import re
import subprocess
import sys
from pathlib import Path

from support.places import BENCHMARKS

JOURNAL = BENCHMARKS / "journal.py"


def test_journal_benchmark_prints_its_table(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, JOURNAL, "--smoke", "--folder", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("command: python ")
    rows = re.findall(r"^ +([\d,]+)  ([a-z ]+?) +(?:[\d,.]+ +){4}(\d+\.\d\d)$", done.stdout, re.M)
    assert [row[:2] for row in rows] == [
        (size, kind)
        for size in ("128", "65,536")
        for kind in ("plain file", "journal", "truncating")
    ]
    assert [ratio for _, kind, ratio in rows if kind == "plain file"] == ["1.00", "1.00"]
    assert not list(tmp_path.iterdir())
