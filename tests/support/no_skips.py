"""In CI a skipped test is a failed one: the peers it needs are installed there.

Hooks for conftest.py; they do nothing unless RINGFENCE_CI_NO_SKIP is set.
"""

import os
from collections.abc import Generator

import pytest

ACTIVE = bool(os.environ.get("RINGFENCE_CI_NO_SKIP"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Makes a skipped test fail, with the reason it gave. An expected failure stays one."""
    report = yield
    if ACTIVE and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Makes a module that skips itself as a whole fail."""
    report = yield
    if ACTIVE and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report
