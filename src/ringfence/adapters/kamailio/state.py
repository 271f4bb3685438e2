"""Where the adapter left off: the count of the switch's reports, and until when all is claimed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ringfence.adapters.base import shown
from ringfence.adapters.kamailio.heard import Mark
from ringfence.adapters.state_keeper import StateError

BYTES_MAX = 4_096
AHEAD_S = 2
"""Clocks are set right by a little."""


@dataclass(frozen=True, slots=True)
class State:
    """Where one left off; times in unix seconds."""

    feed: str
    boot: int
    seq: int
    heard: float
    claimed: int
    """Until when claims were answered, or something was lost: from here on claims may go on."""

    @property
    def mark(self) -> Mark:
        """The count."""
        return Mark(self.boot, self.seq, self.heard)

    def text(self) -> str:
        """How it stands in the file."""
        return json.dumps(asdict(self))


def read_state(path: Path, feed: str, *, clock: Callable[[], float] = time.time) -> State | None:
    """What an earlier run left; None = there was none. Raises StateError and OSError.

    A time that is still to come is refused: until then everything would be claimed, unheard.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    try:
        values = json.loads(octets)
        state = State(
            str(values["feed"]),
            *(int(values["boot"]), int(values["seq"])),
            *(float(values["heard"]), int(values["claimed"])),
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise StateError(f"{path} is not a state of this adapter; delete it to begin now") from None
    if state.feed != feed:
        raise StateError(f"{path} is of feed {shown(state.feed)}, expected is {feed}")
    if not 0 <= state.heard <= clock() + AHEAD_S:
        raise StateError(
            f"{path} says what was heard at a time that is still to come: is the clock of this"
            " machine right? If so, delete the file to begin now"
        )
    return state
