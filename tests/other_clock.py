"""Runs a command on another day and in another zone: no test depends on the day it runs.

    python tests/other_clock.py MOMENT ZONE COMMAND...
    python tests/other_clock.py 2028-02-29T23:55:00 America/New_York .venv/bin/pytest -q

MOMENT is how far from now (+5y, +1y, +30d, +1d or -1d) or when the command begins (RFC 3339; a time
of ZONE where it names none). The wall clock of the command and of all that it starts goes on from
there, every other clock stays as it is, and TZ is ZONE. Two things stay true all the same: what the
kernel itself stamps, such as files' times, and processes whose user may not read the clock's file.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from support.wall_clock import SteppingClock

WRONG_USAGE = 2
NOT_FOUND = 127
FROM = datetime(1970, 1, 2, tzinfo=UTC)
UNTIL = datetime(2106, 1, 1, tzinfo=UTC)  # the table has 32 bits for seconds


class Refusal(Exception):
    """What is wrong with an argument."""


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Refusal(f"ZONE: not known: value={name!r}, bound=such as America/New_York") from error


def moment_of(text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """When the command begins."""
    form = f"MOMENT: value={text!r}, bound="
    try:
        if relative := re.fullmatch(r"([+-]\d{1,6})([dy])", text):
            moment = _moved(now, int(relative[1]), relative[2])
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise Refusal(f"{form}+5y, +30d or RFC 3339 such as 2028-02-29T23:55:00") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    if not FROM <= moment < UNTIL:
        raise Refusal(f"{form}{FROM:%Y-%m-%d} to before {UNTIL:%Y-%m-%d}")
    return moment


def _moved(now: datetime, count: int, unit: str) -> datetime:
    if unit == "d":
        return now + timedelta(days=count)
    year = now.year + count
    try:
        return now.replace(year=year)
    except ValueError:  # 29 February, in a year without one
        return now.replace(year=year, day=28)


def run_at(offset_s: int, zone: str, command: list[str]) -> int:
    """Runs a command with its clock so far from this one's; the exit code as a shell tells it."""
    folder = Path(tempfile.mkdtemp(prefix="rf-"))  # short: tests have sockets below it
    folder.chmod(0o755)  # for servers that run as users of their own
    try:
        clock = SteppingClock(folder / "offset")
        clock.set_offset(offset_s)
        # By this clock folders of earlier runs of pytest are old, and it would remove those that
        # are in use: it gets a place of its own.
        own = {"TZ": zone, "PYTEST_DEBUG_TEMPROOT": str(folder)}
        try:
            process = subprocess.Popen(command, env=os.environ | clock.environment() | own)
        except OSError as error:
            print(f"COMMAND: {error.strerror}: value={command[0]!r}", file=sys.stderr)
            return NOT_FOUND
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the command as well
        signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
        code = process.wait()
        return code if code >= 0 else 128 - code
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """The exit code for arguments as the module says."""
    if len(arguments) < 3:
        print("usage: other_clock.py MOMENT ZONE COMMAND...", file=sys.stderr)
        return WRONG_USAGE
    text, zone, *command = arguments
    now = datetime.now(UTC)
    try:
        moment = moment_of(text, now, zone_of(zone))
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return WRONG_USAGE
    print(f"other clock: from {moment.isoformat(timespec='seconds')}, TZ={zone}", file=sys.stderr)
    return run_at(round((moment - now).total_seconds()), zone, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
