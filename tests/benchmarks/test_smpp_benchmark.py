"""The benchmark of the SMPP adapter runs, at a size at which its figures mean nothing."""

import re

import pytest
from support.benchmark_run import run

pytestmark = pytest.mark.slow


def test_smpp_benchmark_has_a_row_for_each_mix_without_and_with_a_server() -> None:
    printed = run("smpp.py", "--smoke")
    rows = re.findall(r"^\| (\w+) \| (\w+) \| [\d,]+ \| ([\d,]+) \| (\d+\.\d\d) \|$", printed, re.M)
    wanted = [(way, mix) for way in ("alone", "served") for mix in ("plain", "mixed")]
    assert [(way, mix) for way, mix, *_ in rows] == wanted
    for *_, rate, ratio in rows:
        assert float(ratio) == pytest.approx(int(rate.replace(",", "")) / 50_000, abs=0.006)
