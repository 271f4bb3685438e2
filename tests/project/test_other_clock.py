"""The runner of commands on another day: what they see of it, and what it says to bad arguments."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from other_clock import moment_of
from support.places import TESTS

NEW_YORK = ZoneInfo("America/New_York")
NEAR_S = 120
SHOW = "import time; print(time.time(), time.strftime('%Y-%m-%dT%H:%M %Z'))"
SHOW_LATER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SHOW!r}], check=True)"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TESTS / "other_clock.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("program", [SHOW, SHOW_LATER], ids=["itself", "what it starts"])
@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2028-02-29T23:55:10", "2028-02-29T23:55 EST"),
        ("2028-02-29T23:55:10Z", "2028-02-29T18:55 EST"),
        ("2027-03-14T02:59:00", "2027-03-14T03:59 EDT"),  # not there: clocks go from 2 to 3
        ("2027-11-07T01:30:10", "2027-11-07T01:30 EDT"),
    ],
)
@pytest.mark.slow
def test_command_begins_at_the_moment(moment: str, shown: str, program: str) -> None:
    done = run(moment, "America/New_York", sys.executable, "-c", program)
    assert done.returncode == 0, done.stderr
    at, told = done.stdout.split(" ", 1)
    begins = moment_of(moment, datetime.now(UTC), NEW_YORK).timestamp()
    assert begins <= float(at) + 1 < begins + NEAR_S
    assert told.startswith(shown[:14])
    assert told.strip().endswith(shown[-3:])


@pytest.mark.slow
def test_one_run_in_another_goes_on_from_its_day() -> None:
    inner = [sys.executable, str(TESTS / "other_clock.py"), "+1d", "UTC"]
    done = run("+30d", "UTC", *inner, sys.executable, "-c", SHOW)
    assert done.returncode == 0, done.stderr
    assert abs(float(done.stdout.split()[0]) - time.time() - 31 * 86_400) < NEAR_S


@pytest.mark.parametrize(
    ("now", "text", "moment"),
    [
        ("2026-12-01T10:00:00", "+5y", "2031-12-01T10:00:00"),
        ("2028-02-29T10:00:00", "+1y", "2029-02-28T10:00:00"),
        ("2028-02-29T10:00:00", "+4y", "2032-02-29T10:00:00"),
        ("2026-12-01T10:00:00", "+30d", "2026-12-31T10:00:00"),
        ("2026-12-01T10:00:00", "-1d", "2026-11-30T10:00:00"),
    ],
)
def test_distance_counts_from_now(now: str, text: str, moment: str) -> None:
    begins = moment_of(text, datetime.fromisoformat(now).replace(tzinfo=UTC), NEW_YORK)
    assert begins == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("+5w", "UTC"), "MOMENT: value='+5w', bound=+5y, +30d or RFC 3339 such as 2028-02-29"),
        (("2027-02-29", "UTC"), "MOMENT: value='2027-02-29', bound=+5y, +30d or RFC 3339"),
        (("+99999y", "UTC"), "MOMENT: value='+99999y', bound=+5y, +30d or RFC 3339"),
        (("+90y", "UTC"), "MOMENT: value='+90y', bound=1970-01-02 to before 2106-01-01"),
        (("1969-01-01", "UTC"), "MOMENT: value='1969-01-01', bound=1970-01-02 to before 2106"),
        (("+1d", "Ruritania/X"), "ZONE: not known: value='Ruritania/X', bound=such as America"),
        (("+1d", "America"), "ZONE: not known: value='America', bound=such as America/New_York"),
        (("+1d", "../etc"), "ZONE: not known: value='../etc', bound=such as America/New_York"),
    ],
)
def test_bad_argument_is_refused_with_its_value_and_bound(
    arguments: tuple[str, ...], said: str
) -> None:
    done = run(*arguments, sys.executable, "-c", SHOW)
    assert done.stderr.startswith(said)
    assert (done.returncode, done.stdout) == (2, "")


def test_missing_argument_is_refused_with_the_usage() -> None:
    done = run("+1d", "UTC")
    assert (done.returncode, done.stderr) == (2, "usage: other_clock.py MOMENT ZONE COMMAND...\n")


@pytest.mark.parametrize(
    ("program", "code"),
    [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 128 + 9)],
)
def test_exit_code_is_that_of_the_command(program: str, code: int) -> None:
    assert run("+1d", "UTC", sys.executable, "-c", program).returncode == code


def test_command_that_is_not_there_is_told_by_its_name() -> None:
    done = run("+1d", "UTC", "no-such-command")
    assert done.stderr.endswith("COMMAND: No such file or directory: value='no-such-command'\n")
    assert done.returncode == 127
