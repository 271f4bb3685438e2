"""Moments as people type them, and as they are shown: RFC 3339, UTC unless a zone is given."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_FORM = "RFC 3339, such as 2026-03-01T12:00:00Z, or a date such as 2026-03-01; UTC without zone"
_BOUND = f"{_FORM}; from 1970 to 2106"
# Only this: what datetime.fromisoformat takes as well, 20260801 or 2026-W31-6, is no time but a
# typing error in a file of numbers. The space is RFC 3339's, section 5.6, and that of databases.
_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.\d+)?"
    r"(?:([Zz])|([+-])([01]\d|2[0-3]):([0-5]\d))?)?",
    re.ASCII,
)
_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ReadTime = Callable[[str], int]
"""Reads a cell as unix seconds; raises ValueError."""


def parse_time(text: str) -> int:
    """The unix seconds of a moment or of the beginning of a day; raises ValueError.

    Parts of a second are dropped. A leap second, 23:59:60 UTC at the end of a month, has no unix
    seconds of its own: it is the second before it.
    """
    read = _RFC_3339.fullmatch(text)
    if read is None:
        raise _no_time(text)
    date, hour, minute, second, _, sign, ahead_hours, ahead_minutes = read.groups()
    seconds = _day_s(date)
    if seconds is None:
        raise _no_time(text)
    if hour is not None:
        seconds += int(hour) * 3_600 + int(minute) * 60 + min(int(second), 59)
        if sign is not None:
            ahead_s = int(ahead_hours) * 3_600 + int(ahead_minutes) * 60
            seconds += ahead_s if sign == "-" else -ahead_s
        if second == "60" and not _ends_month(seconds):
            raise _no_time(text)
    return _bounded(seconds, text)


def time_reader(date_format: str | None) -> ReadTime:
    """Reads cells in a form of strptime(3) such as %d/%m/%Y and no other; None = `parse_time`.

    Raises ValueError for a form that is none, or that has no day in it.
    """
    if date_format is None:
        return parse_time
    day = datetime(2026, 8, 9, 10, 11, 12, tzinfo=UTC)
    example = day.strftime(date_format)
    try:
        found = datetime.strptime(example, date_format)
    except ValueError as error:
        raise ValueError(f"value={date_format!r}, bound=a form such as %d/%m/%Y: {error}") from None
    if found.date() != day.date():
        raise ValueError(f"value={date_format!r}, bound=day, month and year, such as %d/%m/%Y")

    @lru_cache(maxsize=65_536)  # a stock has few days, and strptime is slow
    def read(text: str) -> int:
        try:
            moment = datetime.strptime(text, date_format)
        except ValueError:
            raise ValueError(
                f"not a time: value={text[:40]!r}, bound={date_format} such as {example}"
            ) from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return _bounded((moment - _EPOCH) // timedelta(seconds=1), text)

    return read


def format_time(moment: datetime | None) -> str | None:
    """The moment in UTC to the second; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_text(moment: datetime | None) -> str:
    """The moment as tables show it; - for none."""
    return format_time(moment) or "-"


def unix_text(seconds: int) -> str:
    """Unix seconds as people are told them."""
    return time_text(datetime.fromtimestamp(seconds, UTC))


@lru_cache(maxsize=4_096)
def _day_s(date: str) -> int | None:
    """The unix seconds at which a day begins; None for one that no month has."""
    try:
        return (datetime.fromisoformat(date).replace(tzinfo=UTC) - _EPOCH).days * _DAY_S
    except ValueError:
        return None


def _ends_month(seconds: int) -> bool:
    return (seconds + 1) % _DAY_S == 0 and (_EPOCH + timedelta(seconds=seconds + 1)).day == 1


def _bounded(seconds: int, text: str) -> int:
    if not 0 < seconds < 2**32:
        raise _no_time(text)
    return seconds


def _no_time(text: str) -> ValueError:
    return ValueError(f"not a time: value={text[:40]!r}, bound={_BOUND}")
