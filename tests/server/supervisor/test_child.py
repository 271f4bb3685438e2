"""A child that dies young, again and again: it is given time, and at last given up."""

import re
import subprocess
import sys

import pytest
from support.places import SUPPORT

from ringfence.server.supervisor.child import BACKOFF_S
from ringfence.server.supervisor.supervisor import EXIT_FAILED, FAILURES_MAX

pytestmark = pytest.mark.slow


def family_of_one_that(how: str) -> tuple[int, int, str]:
    """Its exit code, how often the dying child was started, and the log."""
    command = [sys.executable, str(SUPPORT / "dying_children.py"), how]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, len(re.findall("started dying: ", done.stderr)), done.stderr


def test_child_that_is_ready_and_fails_is_given_up_like_one_that_never_was():
    code, starts, log = family_of_one_that("raises")
    assert (code, starts) == (EXIT_FAILED, FAILURES_MAX)
    assert f"dying does not stay: attempts={FAILURES_MAX}" in log
    assert "RuntimeError: it has nothing to live for" in log


@pytest.mark.parametrize("how", ["killed", "tries_again"])
def test_child_without_a_fault_is_not_given_up_and_not_started_without_a_break(how):
    code, starts, log = family_of_one_that(how)
    assert code == 0, log
    assert 2 < starts <= len(BACKOFF_S) + 3 / BACKOFF_S[-1]


def test_child_that_is_killed_before_it_is_ready_but_not_twice_in_a_row_is_not_given_up():
    code, starts, log = family_of_one_that("killed_early_in_turns")
    assert code == 0, log
    assert starts >= 2 * FAILURES_MAX
