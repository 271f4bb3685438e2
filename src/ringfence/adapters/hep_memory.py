"""What one remembers to tell whether a report is the first of its attempt: calls, and clocks.

There is one for all that is read for a feed, wherever it is read.
"""

from __future__ import annotations

from typing import Protocol

from ringfence import EventKind
from ringfence.adapters.calls import Calls, Sighting
from ringfence.adapters.clocks import Clocks


class Memory(Protocol):
    """Where a `HepReader` asks."""

    @property
    def forgotten_early(self) -> int:
        """Attempts that had to go for want of room while copies of them could still arrive."""

    def is_first(
        self, seen: Sighting, at: int, kind: EventKind, *, caller_unreadable: bool
    ) -> bool:
        """Whether this is the first sighting of an attempt.

        As an event it is of this time, unix seconds, and kind. `captured_at` of the sighting is
        believed only if its agent has one clock.
        """


class CallMemory:
    """The calls and clocks of one feed; not shared between threads."""

    def __init__(self) -> None:
        self._calls = Calls()
        self._clocks = Clocks()

    @property
    def forgotten_early(self) -> int:
        """See `Memory`."""
        return self._calls.forgotten_early

    def is_first(
        self, seen: Sighting, at: int, kind: EventKind, *, caller_unreadable: bool = False
    ) -> bool:
        """See `Memory`."""
        if seen.agent and not self._clocks.is_one(seen.agent, seen.captured_at):
            seen.agent, seen.captured_at = b"", 0
        return self._calls.is_first(seen)
