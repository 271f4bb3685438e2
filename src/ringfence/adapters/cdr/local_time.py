"""Times that a switch writes without a zone: `2026-11-20 07:03:03`, on the clock of its wall.

When clocks are put back an hour comes twice. Records stand in the order in which calls ended, so
the hour is the one that goes on from the record before; the first is taken where nothing tells.
A time that no clock showed says that the zone is wrong, and is not read.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from ringfence.adapters.base import Unreadable

LOCAL = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.\d{1,9})?", re.ASCII
)
_BACK_S_MAX = 1_200
"""A record may be of a call that began so much before the one in front of it."""
SECONDS_LIMIT = 2**32


class LocalTimes:
    """Reads the times of one file after the other, in their order."""

    def __init__(self, zone: str = "UTC") -> None:
        """Raises ValueError for a zone that is none."""
        try:
            self._zone = ZoneInfo(zone)
        except (ValueError, KeyError, OSError):
            raise ValueError(
                f"value={zone[:40]!r}, bound=a zone such as Europe/London or UTC"
            ) from None
        self._hour = lru_cache(4_096)(self._both)
        self._before = 0
        self._again = False

    def read(self, text: str) -> int:
        """Unix seconds; raises Unreadable."""
        written = LOCAL.fullmatch(text)
        if not written:
            raise Unreadable("time_unreadable")
        day, hour, minute, second = written.groups()
        first, again = self._hour(day, int(hour), int(minute))
        if first == again:
            self._again = False
        elif first < self._before - _BACK_S_MAX:
            self._again = True
        chosen = again if self._again else first
        seconds = chosen + min(int(second), 59)
        if not 0 < seconds < SECONDS_LIMIT:
            raise Unreadable("time_unreadable")
        self._before = seconds
        return seconds

    def _both(self, day: str, hour: int, minute: int) -> tuple[int, int]:
        """When a minute began, and when it began again: the same but for one hour a year."""
        try:
            wall = datetime.fromisoformat(day).replace(hour=hour, minute=minute, tzinfo=self._zone)
            both = [int(wall.replace(fold=fold).timestamp()) for fold in (0, 1)]
        except (ValueError, OverflowError):
            raise Unreadable("time_unreadable") from None
        shown = datetime.fromtimestamp(both[0], UTC).astimezone(self._zone)
        if (shown.hour, shown.minute) != (hour, minute):
            raise Unreadable("time_not_in_zone")
        return both[0], both[1]


def unix_seconds(text: str) -> int:
    """Seconds since 1970 as digits; raises Unreadable."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise Unreadable("time_unreadable")
    seconds = int(text)
    if not 0 < seconds < SECONDS_LIMIT:
        raise Unreadable("time_unreadable")
    return seconds
