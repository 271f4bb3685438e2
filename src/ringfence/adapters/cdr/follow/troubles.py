"""Files that cannot be read: told once, tried again, and given up when they stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ringfence.adapters.cdr.follow.listing import Key

GIVE_UP_S = 600.0


class Listed(Protocol):
    """A file as it was listed."""

    @property
    def path(self) -> Path:
        """What it is called."""

    @property
    def size(self) -> int:
        """Octets."""

    @property
    def mtime_ns(self) -> int:
        """When it was written."""

    @property
    def ctime_ns(self) -> int:
        """When anything of it was changed."""


@dataclass(slots=True)
class _Trouble:
    path: Path
    since: float
    """Until then it held nothing that was not read, unix seconds."""
    as_of: tuple[int, int, int]
    same_since: float
    given_up: bool = False


class Troubles:
    """By file. While there is one, time does not count as heard, and none is lost yet."""

    def __init__(self, say: Callable[[str], None], give_up_s: float = GIVE_UP_S) -> None:
        self._say = say
        self._give_up_s = give_up_s
        self._troubles: dict[Key, _Trouble] = {}

    @property
    def since(self) -> list[float]:
        """Until when everything was read of each that is not given up."""
        return [each.since for each in self._troubles.values() if not each.given_up]

    @property
    def ctimes(self) -> list[int]:
        """When each was changed, nanoseconds."""
        return [each.as_of[2] for each in self._troubles.values()]

    def meet(
        self, key: Key, listed: Listed, error: Exception, now: float, looked_at: float
    ) -> None:
        """A file cannot be read, now; when it was listed before, at `looked_at`, it was read."""
        as_of = (listed.size, listed.mtime_ns, listed.ctime_ns)
        there = self._troubles.get(key)
        if there is None:
            why = error.strerror if isinstance(error, OSError) else str(error)
            self._say(f"{listed.path}: {why or error}; it is tried again")
        if there is None or (there.given_up and there.as_of != as_of):
            self._troubles[key] = _Trouble(listed.path, looked_at, as_of, now)
        elif there.as_of != as_of:
            there.as_of, there.same_since = as_of, now

    def over(self, key: Key) -> None:
        """It was read."""
        if there := self._troubles.pop(key, None):
            self._say(f"{there.path} was read now")

    def gone(self, found: Container[Key]) -> Iterator[str]:
        """Those that are not there any more, in words."""
        for key in [key for key in self._troubles if key not in found]:
            there = self._troubles.pop(key)
            if not there.given_up:
                yield f"{there.path} is gone, and could not be read"

    def given_up(self, now: float) -> Iterator[str]:
        """Those that stayed as they are for too long, in words, once."""
        for each in self._troubles.values():
            if not each.given_up and now - each.same_since >= self._give_up_s:
                each.given_up = True
                yield f"{each.path} cannot be read"
