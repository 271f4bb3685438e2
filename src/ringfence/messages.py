"""Words, times and durations between `ringfence.v1` and `ringfence.model`."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.model import Moment
from ringfence.words import Verdict


def enums(values: Iterable[IntEnum]) -> list[Any]:
    """The values as the messages take them: the stubs of v1 admit its own enums only."""
    return [int(value) for value in values]


def unix_seconds(moment: Moment | None) -> int:
    """Whole unix seconds, 0 for None; raises ValueError for a datetime without a time zone."""
    if moment is None:
        return 0
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"time without a time zone: {moment.isoformat()}")
        return int(moment.timestamp())
    return moment


def moment_of(seconds: int) -> datetime | None:
    """The time of whole unix seconds; None for 0."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def time_of(message: Any, field: str) -> datetime | None:
    """The time in a field of a message; None when it is unset."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(tzinfo=UTC)


def duration_message(delta: timedelta) -> Duration:
    """A span of time to send."""
    duration = Duration()
    duration.FromTimedelta(delta)
    return duration


def timestamp(moment: Moment | None) -> Timestamp | None:
    """The moment as messages have it, to the second; None stays None."""
    return None if moment is None else Timestamp(seconds=unix_seconds(moment))


def verdict_of(value: int) -> Verdict | None:
    """The verdict, or None where none is said."""
    return Verdict(value) if value else None
