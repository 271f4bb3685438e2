"""Looks at files again and again, and writes down where one would go on; times are unix seconds.

What a format adds is how a file is read: `read_all`.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ringfence.adapters.base import EventSink, Tally
from ringfence.adapters.cdr.follow.files import Files, Look
from ringfence.adapters.cdr.follow.state import State, facts_of
from ringfence.adapters.state_keeper import StateKeeper

LOOK_S = 1.0
LOOKS_SHARE = 10
"""A look that takes long is made so many times less often, and so is a state written."""
CLOSE_S = 10.0
STATE_EVERY_S = 10
"""A state of which only the time is new is written so often."""


class Kept(NamedTuple):
    """Where one would go on."""

    looked: int
    read_before: int
    files: tuple[tuple[Any, ...], ...]
    folders: tuple[int, ...] | None


class Looking(ABC):
    """A `Source` of what is in files; `lose` learns of [began, ended) of which not all was read."""

    def __init__(
        self,
        files: Files,
        sink: EventSink,
        say: Callable[[str], None],
        *,
        heard: float,
        lose: Callable[[int, int], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files = files
        self._sink = sink
        self._say = say
        self._heard = heard
        self._lose_ = lose
        self._clock = clock
        self._failing = ""
        self._looking = False
        self._kept = self._where()
        self._kept_again_at = 0.0
        self._listed_at = self._listed_s = 0.0
        self.tally = Tally()
        self.keeper: StateKeeper[State] | None = None

    @property
    def heard_until(self) -> float:
        """Until when all that was written was handed on, or is told to be lost."""
        return self._heard

    @property
    def kept(self) -> Kept:
        """What a state holds of it."""
        if not self._looking:  # else files come and go in another thread
            self._kept = self._where()
        return self._kept

    async def open(self) -> str:
        """Nothing is opened yet."""
        return ""

    async def start(self) -> None:
        """Begins to read."""
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(self._run())

    async def failed(self) -> None:
        """Waits until that has failed for good, and raises what it failed with."""
        await asyncio.shield(self._running)

    async def close(self) -> None:
        """Stops behind the records that are at hand."""
        self._stop.set()
        await asyncio.wait({self._running}, timeout=CLOSE_S)
        self._running.cancel()
        await asyncio.wait({self._running})
        self._files.close()
        if not self._running.cancelled():
            self._running.result()

    def look(self) -> None:
        """Writes down where one would go on."""
        began = time.monotonic()
        if self.keeper and began >= self._kept_again_at:
            self.keeper.look()
            self._kept_again_at = began + LOOKS_SHARE * (time.monotonic() - began)

    @abstractmethod
    async def read_all(self) -> None:
        """Reads what is new in all files."""

    async def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            await self.read_all()
            took_s = self._took_s(time.monotonic() - began)
            pause_s = max(LOOK_S, LOOKS_SHARE * took_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause_s)

    async def _listed(self, now: float) -> Look | None:
        """What the folders show; None = they cannot be read now."""
        self._looking, began = True, time.monotonic()
        try:
            look = await asyncio.to_thread(self._files.look, now)
        except OSError as error:
            self._looking = False
            self._fail(f"{error.filename}: {error.strerror}; it is tried again")
            return None
        self._looking = False
        self._fail("")
        self._listed_at = time.monotonic()
        self._listed_s = self._listed_at - began
        return look

    def _took_s(self, whole_s: float) -> float:
        """What counts of the seconds that a look took, with all that was read."""
        return whole_s

    def _stop_wanted(self) -> bool:
        stop = getattr(self, "_stop", None)
        return stop is not None and stop.is_set()

    def _fail(self, words: str) -> None:
        if words and words != self._failing:
            self._say(words)
        elif self._failing and not words:
            self._say("the folder can be read again")
        self._failing = words

    def _where(self) -> Kept:
        looked = int(self._heard) // STATE_EVERY_S * STATE_EVERY_S
        files = self._files
        return Kept(looked, files.read_before, facts_of(files.followed), files.folders)


def moment(at: int) -> str:
    """A time, as it is said."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def default_state(path: Path, feed: str) -> Path:
    """Where the state is if nobody says it: beside what is followed, hidden."""
    if path.is_dir():
        return path / f".{feed}.follow"
    return path.with_name(f".{path.name}.{feed}.follow")
