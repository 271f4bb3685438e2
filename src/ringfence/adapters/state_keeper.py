"""Where an adapter left off, in a small file: what the next one begins from.

The file is written anew only when all events up to that point were answered by the server, so that
a killed adapter begins too early rather than too late.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar


class StateError(Exception):
    """A file that is no state of this adapter; the message says which and why."""


class Kept(Protocol):
    """A state; equal ones need not be written twice."""

    def text(self) -> str:
        """How it stands in the file; no number of a subscriber is in it."""


_Kept = TypeVar("_Kept", bound=Kept)


def check_writable(path: Path) -> None:
    """Raises OSError where no state can be written, before anything is listened to."""
    beside = _beside(path)
    beside.touch()
    beside.unlink()


def write_whole(path: Path, text: str) -> None:
    """Puts a file in the place of the one before, whole or not at all."""
    beside = _beside(path)
    with beside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


class StateKeeper(Generic[_Kept]):
    """Writes the state once what it stands for was answered.

    `progress` gives (events taken over so far, of these answered); `present` the state of now. What
    cannot be written is said once, and tried again: the next run begins earlier then.
    """

    def __init__(
        self,
        path: Path,
        progress: Callable[[], tuple[int, int]],
        present: Callable[[], _Kept],
        say: Callable[[str], None],
    ) -> None:
        self._path = path
        self._progress = progress
        self._present = present
        self._say = say
        self._fails = False
        self._waiting: tuple[int, _Kept] | None = None
        self._written: _Kept | None = None

    def look(self) -> None:
        """Called every second, and at the end."""
        taken, answered = self._progress()
        if self._waiting is None:
            self._waiting = taken, self._present()
        if answered >= self._waiting[0]:
            if self._waiting[1] != self._written:
                self._write(self._waiting[1])
            self._waiting = None

    def _write(self, state: _Kept) -> None:
        try:
            write_whole(self._path, state.text())
        except OSError as error:
            if not self._fails:
                self._say(f"{self._path} is not written any more: {error.strerror}")
            self._fails = True
            return
        self._fails = False
        self._written = state
