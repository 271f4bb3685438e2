"""Where an adapter left off, in a small file: what the next one begins from.

The file has no number of a subscriber in it. It is written anew only when all events up to that
point were answered by the server, so that a killed adapter begins too early rather than too late.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ringfence.adapters.kamailio.heard import Mark

BYTES_MAX = 4_096


class StateError(Exception):
    """A file that is no state of this adapter; the message says which and why."""


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


def read_state(path: Path, feed: str) -> State | None:
    """What an earlier run left; None = there was none. Raises StateError and OSError."""
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
        raise StateError(f"{path} is of feed {state.feed}, expected is {feed}")
    return state


def check_writable(path: Path) -> None:
    """Raises OSError where no state can be written, before anything is listened to."""
    beside = _beside(path)
    beside.touch()
    beside.unlink()


def write_state(path: Path, state: State) -> None:
    """Puts a state in the place of the one before, whole or not at all."""
    beside = _beside(path)
    with beside.open("w") as file:
        json.dump(asdict(state), file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


class StateKeeper:
    """Writes the state once what it stands for was answered.

    `progress` gives (events taken over so far, of these answered); `present` the state of now. What
    cannot be written is said once, and tried again: the next run begins earlier then.
    """

    def __init__(
        self,
        path: Path,
        progress: Callable[[], tuple[int, int]],
        present: Callable[[], State],
        say: Callable[[str], None],
    ) -> None:
        self._path = path
        self._progress = progress
        self._present = present
        self._say = say
        self._fails = False
        self._waiting: tuple[int, State] | None = None
        self._written: State | None = None

    def look(self) -> None:
        """Called every second, and at the end."""
        taken, answered = self._progress()
        if self._waiting is None:
            self._waiting = taken, self._present()
        if answered >= self._waiting[0]:
            if self._waiting[1] != self._written:
                self._write(self._waiting[1])
            self._waiting = None

    def _write(self, state: State) -> None:
        try:
            write_state(self._path, state)
        except OSError as error:
            if not self._fails:
                self._say(f"{self._path} is not written any more: {error.strerror}")
            self._fails = True
            return
        self._fails = False
        self._written = state
