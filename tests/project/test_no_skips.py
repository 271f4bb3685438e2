"""The guard of CI itself: there, what would be skipped elsewhere fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import TESTS as TESTS_FOLDER

pytestmark = pytest.mark.slow

TESTS = """
import pytest

def test_passes(): pass
def test_skips(): pytest.skip("no peer")
@pytest.mark.xfail
def test_fails_as_expected(): assert False
"""
SKIPPED_MODULE = 'import pytest\npytest.importorskip("no_such_peer")\n'


@pytest.mark.parametrize(
    ("tests", "in_ci", "result"),
    [
        (TESTS, "", "1 passed, 1 skipped, 1 xfailed in"),
        (TESTS, "1", "1 failed, 1 passed, 1 xfailed in"),
        (SKIPPED_MODULE, "", "1 skipped in"),
        (SKIPPED_MODULE, "1", "1 error in"),
    ],
)
def test_what_is_skipped_fails_in_ci(tmp_path: Path, tests: str, in_ci: str, result: str) -> None:
    (tmp_path / "test_some.py").write_text(tests)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "support.no_skips",
            "-p",
            "no:cacheprovider",
            "-q",
            ".",
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(TESTS_FOLDER), "RINGFENCE_CI_NO_SKIP": in_ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1].startswith(result), done.stdout
