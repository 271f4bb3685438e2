"""What the script sends: a report of a call or message, or a mark; one JSON object each.

A report has `ev` (the method), `called`, `caller`, `callid`, `ts` (unix seconds, with a fraction),
`boot` and `seq`; a mark has `mark`, `boot` and `seq`. The page beside this shows the script.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ringfence.adapters.base import Unreadable
from ringfence.adapters.hlog import read_object

_COUNT_MAX = 2**63


@dataclass(frozen=True, slots=True)
class Report:
    """One report, of which only the count is read."""

    boot: int
    """When the switch was started, unix seconds."""
    number: int
    values: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A mark that was asked for."""

    boot: int
    number: int
    """Of the newest report."""
    asked: str
    """What was sent with the question."""


def read_message(octets: bytes) -> Report | Answer:
    """Reads what the script sent; raises Unreadable."""
    values = read_object(octets)
    boot, number = count(values.get("boot")), count(values.get("seq"))
    if "mark" in values:
        return Answer(boot, number, str(values["mark"]))
    return Report(boot, number, values)


def count(value: Any) -> int:
    """A time of start or a number of a report; raises Unreadable for what is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _COUNT_MAX:
        raise Unreadable("log_without_number")
    return value
