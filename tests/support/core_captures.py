"""Captures of a core network, read as an import reads them."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ringfence.adapters.event_table import Passed
from ringfence.adapters.tap.capture_files import CaptureFiles
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import FRAMES_MAX, Relay
from ringfence.adapters.tap.tshark import Tshark
from ringfence.wording.dialled import DialPlan

BRITISH = DialPlan.of_country(44)
LATEST = 2**32 - 1
Event = tuple[int, int, int, int]


class Turned:
    """Takes what was turned away: frames and reasons."""

    def __init__(self) -> None:
        self.rows: list[tuple[int | str, str]] = []

    def add(self, table: Any, line: int, cells: Any, reason: str) -> None:
        self.rows.append((line, reason))


def read(
    paths: Sequence[Path], *, frames_max: int = FRAMES_MAX
) -> tuple[list[Event], Counter[str], list[tuple[int | str, str]]]:
    """The events of files, the outcomes of what is none, and what was turned away."""
    turned = Turned()
    events, passed = [], Counter[str]()
    with closing(Relay(Tshark, frames_max=frames_max)) as relay:
        reads = CaptureFiles(paths, relay, TapReader(BRITISH), latest=LATEST)
        for path in paths:
            with open(path, "rb") as file:
                for _, outcome in reads(file, turned, 0):
                    if isinstance(outcome, Passed):
                        passed[outcome.reason] += 1
                    elif outcome is not None:
                        events.append(outcome)
    return events, passed, turned.rows
