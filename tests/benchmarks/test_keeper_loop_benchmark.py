"""The benchmark of the keeper's loop runs, at a size at which its figures mean nothing."""

import re

import pytest
from support.benchmark_run import run

pytestmark = pytest.mark.slow


def test_keeper_loop_benchmark_prints_its_table() -> None:
    printed = run("keeper_loop.py", "--smoke")
    rows = re.findall(r"^(.+?)  +[\d.]+ ms +[\d.]+ ms +[\d.]+$", printed, re.MULTILINE)
    assert rows == ["image", "hand-outs, and their merges"]
