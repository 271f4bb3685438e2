"""What every adapter shares: what it reads, what it produces, what it counts.

An adapter turns reports of its equipment into attempts and sends each as one event. Whatever it
reads has exactly one outcome, counted by name in a `Tally`; no outcome names a caller or quotes
what was read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from ringfence import EventKind

Tally = Counter[str]
"""How often each outcome occurred; a reason why something could not be read is one too."""


class Unreadable(Exception):
    """Something that cannot be read, or that is no attempt; the message is the reason's name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to reach a number, ready to be sent as one event."""

    called: int
    caller: int = field(repr=False)
    occurred_at: int
    """Unix seconds."""
    kind: EventKind


class EventSink(Protocol):
    """Where attempts go: `ringfence.EventStream`, or a list in a test."""

    def send(self, called: int, caller: int, occurred_at: int, kind: EventKind) -> bool:
        """Takes the event if there is room; False when it was dropped."""

    async def send_wait(
        self, called: int, caller: int, occurred_at: int, kind: EventKind
    ) -> object:
        """Takes the event, waiting for room."""

    def lose(self, began_at: int, ended_at: int) -> None:
        """Learns that not everything was heard in [began_at, ended_at), unix seconds."""


class Source(Protocol):
    """Equipment, or a file of what it reported, that is being listened to."""

    @property
    def tally(self) -> Tally:
        """The outcomes so far."""

    async def open(self) -> str:
        """Begins to listen; returns where, as `name=value` words for the line that says ready.

        From here on nothing is missed, but nothing is handed on before `start`.
        """

    async def start(self) -> None:
        """Begins to hand on."""

    async def failed(self) -> None:
        """Waits until listening has failed for good, and raises what it failed with; returns when
        there is no more to come.
        """

    async def close(self) -> None:
        """Stops listening and hands on what had arrived."""

    def look(self) -> None:
        """Called every second: notices what nothing else announces, such as losses."""


def shown(text: str) -> str:
    """What another program said, as it may stand in a line: not long, and nothing in it that steers
    a terminal.
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text[:80])


def summary(tally: Tally) -> str:
    """The tally as one line of `name=count`, by name; `nothing` when it is empty."""
    words = (f"{name}={count}" for name, count in sorted(tally.items()) if count)
    return " ".join(words) or "nothing"
