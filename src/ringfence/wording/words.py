"""Verdicts, rules and events in plain words."""

from collections.abc import Sequence
from datetime import timedelta

from ringfence import EventKind, Measure

COLOURS = {
    "CLEAN": "green",
    "AGING": "cyan",
    "NOISY": "red",
    "UNOBSERVED": "yellow",
    "HELD": "magenta",
    "RESERVED": "blue",
}
"""Of a verdict's name, as terminals know them."""
_KINDS = {
    EventKind.CALL: ("call", "calls"),
    EventKind.SMS: ("text message", "text messages"),
    EventKind.A2P_SMS: ("application message", "application messages"),
    EventKind.MMS: ("picture message", "picture messages"),
    EventKind.VOICEMAIL: ("voicemail", "voicemails"),
    EventKind.VIDEO: ("video call", "video calls"),
}
_UNITS = (
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
    (timedelta(seconds=1), "second"),
)


def count_text(kind: EventKind, count: int) -> str:
    """So many events of a kind: `5 calls`."""
    one, many = _KINDS[kind]
    return f"{count} {one if count == 1 else many}"


def rule_text(measure: Measure, kinds: Sequence[EventKind], count: int = 0) -> str:
    """What a rule counts: `application messages`; in the singular for a count of 1."""
    one = count == 1
    if measure == Measure.EVENTS:
        names = [_KINDS[kind][not one] for kind in kinds]
        return " or ".join(names) or ("call or message" if one else "calls and messages")
    by = f" by {' or '.join(_KINDS[kind][1] for kind in kinds)}" if kinds else ""
    who = "caller" if one else "callers"
    return who + (" who tried more than once" if measure == Measure.REPEAT_CALLERS else "") + by


def span_text(span: timedelta) -> str:
    """A window exactly: `90 days`, `1 day 12 hours`."""
    parts = []
    for unit, name in _UNITS:
        count, span = divmod(span, unit)
        if count:
            parts.append(_counted(count, name))
    return " ".join(parts) or "0 seconds"


def distance_text(span: timedelta) -> str:
    """How far away something is, in the greatest unit of which there are at least two."""
    for unit, name in _UNITS:
        if span >= 2 * unit:
            return _counted(round(span / unit), name)
    return _counted(int(span.total_seconds()), "second")


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
