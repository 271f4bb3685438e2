"""The benchmark of the scanner still runs."""

import subprocess
import sys

import pytest
from support.places import BENCHMARKS

pytestmark = pytest.mark.slow

SCAN = BENCHMARKS / "scan.py"


def test_scan_benchmark_runs_and_says_how() -> None:
    done = subprocess.run(
        [sys.executable, SCAN, "--smoke"], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--smoke" in done.stdout.splitlines()[0]
    for figure in ("of a copy", "p99 of checks while sweeping / without: ", "longest ", "taken "):
        assert figure in done.stdout
