"""Durations between text and seconds: `90d`, `12h`, `30m`, `45s`, or combinations like `1d12h`."""

import re

_UNITS_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_TEXT = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
BOUND = "days, hours, minutes, seconds in this order, such as 90d, 12h, 30m, 45s or 1d12h"


def parse_duration(text: str) -> int:
    """The seconds that `text` says; raises ValueError with the value and the form expected."""
    match = _TEXT.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"value={text[:40]!r}, bound={BOUND}")
    return sum(
        int(count or 0) * unit_s
        for count, unit_s in zip(match.groups(), _UNITS_S.values(), strict=True)
    )


def format_duration(duration_s: int) -> str:
    """The shortest such text for a number of seconds: 90d, 1d12h, 0s."""
    parts = []
    for unit, unit_s in _UNITS_S.items():
        count, duration_s = divmod(duration_s, unit_s)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
