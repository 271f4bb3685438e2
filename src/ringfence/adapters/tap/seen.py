"""What a message of the core says about an attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ringfence import EventKind
from ringfence.adapters.callers import Caller


class Told(Enum):
    """How much a message says of what is attempted."""

    CALL = "CALL"
    MESSAGE = "MESSAGE"
    ASKED = "ASKED"
    """Somebody asked where a user is: for a call, unless a request to that user says otherwise."""
    OTHER = "OTHER"
    """A request that is no attempt, and for which somebody may have asked."""


@dataclass(slots=True)
class Seen:
    """A sighting of an attempt at a number, before it is known to be the first."""

    told: Told
    called: int
    caller: Caller | None = field(repr=False)
    """None where messages of this sort do not carry one."""
    names: tuple[bytes, ...] = ()
    leg: tuple[str, ...] = ()
    request: int = 0
    kind: EventKind | None = None
    """Where the message itself says so; None = the sender decides."""
    sequence: int = 0
    dialogue: bytes = b""
    at: float | None = None
    """Unix seconds of the first message, where that was an earlier one."""


class Nothing(Exception):
    """A message that is no attempt; the argument is the outcome's name."""

    @property
    def doubtful(self) -> bool:
        """Whether it would be something else, were it not for what could not be read."""
        return str(self) in {"called_not_a_number", "isup_without_called"}
