"""The benchmark of rings of all sizes runs, at a size at which its figures mean nothing."""

import re

import pytest
from support.benchmark_run import run
from support.places import ROOT

from ringfence.engine.memory.segment import RING_ENTRIES

pytestmark = pytest.mark.slow

RATE = r"[\d.]+ M"


def test_rings_benchmark_has_a_row_for_full_and_nearly_empty_rings_of_each_size() -> None:
    printed = run("rings.py", "--smoke")
    rows = re.findall(rf"^\| (\d+) \| [\d,]+ \| ([a-z ]+) \|(?: {RATE} \|){{3}}$", printed, re.M)
    wanted = [(str(k), rings) for k in RING_ENTRIES for rings in ("full", "nearly empty")]
    assert rows == wanted


def test_rings_benchmark_sets_another_build_beside_this_one() -> None:
    printed = run("rings.py", "--smoke", "--ring-entries", "12", "--against", str(ROOT))
    assert len(re.findall(r"^\| 12 \|.*(?: \d+\.\d\d \|){3}$", printed, re.M)) == 2
