"""Moments as people type them, and as they are shown: RFC 3339, UTC unless a zone is given."""

from datetime import UTC, datetime

_BOUND = "RFC 3339 such as 2026-03-01T12:00:00Z or 2026-03-01, from 1970 to 2106; UTC without zone"


def parse_time(text: str) -> int:
    """The unix seconds of a moment or of the beginning of a day; raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"not a time: value={text[:40]!r}, bound={_BOUND}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = int(moment.timestamp())
    if not 0 < seconds < 2**32:
        raise ValueError(f"not a time: value={text[:40]!r}, bound={_BOUND}")
    return seconds


def format_time(moment: datetime | None) -> str | None:
    """The moment in UTC to the second; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_text(moment: datetime | None) -> str:
    """The moment as tables show it; - for none."""
    return format_time(moment) or "-"
