"""The benchmarks run, at a size at which their figures mean nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import ROOT

from ringfence.adapters.cdr.formats import FORMATS

pytestmark = pytest.mark.slow


def run(*arguments: str) -> str:
    """What a command of the checkout prints."""
    finished = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_engine_benchmark_prints_its_table() -> None:
    before = set(Path("/dev/shm").glob("ringfence-benchmark-*"))
    text = run("benchmarks/engine.py", "--smoke")
    assert "command   python benchmarks/engine.py --smoke" in text
    rows = re.findall(r"^ +1,000 +(\d) +[\d,]+ +[\d,]+ .* ([0-9a-f]{16})$", text, re.MULTILINE)
    assert [processes for processes, _ in rows] == ["1", "2"]
    assert len({checksum for _, checksum in rows}) == 1
    assert "bytes a number" in text
    assert set(Path("/dev/shm").glob("ringfence-benchmark-*")) <= before  # others may be running


def test_engine_calls_run_under_pytest_benchmark() -> None:
    text = run("-m", "pytest", "-q", "-n", "0", "--benchmark-disable", "benchmarks")
    assert " passed" in text


def test_call_detail_records_of_all_formats_are_read_and_sent() -> None:
    text = run("benchmarks/cdr.py", "--records", "200", "--numbers", "50")
    formats = re.findall(r"^\| ([a-z0-9-]+) \| \d+ \|", text, re.MULTILINE)
    assert sorted(formats) == sorted(FORMATS)
