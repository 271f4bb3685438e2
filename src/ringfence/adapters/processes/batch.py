"""What a process that reads hands to the one that remembers.

    frame: u32 length, big-endian | marshal of the fields of a `Batch`

Both ends are one program, started from one place, over a socket that nobody else has; marshal is
the fastest there is and need not be readable by any other version. Callers are in it as the
integers of the contract. It goes through memory alone.
"""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import Any, NamedTuple

from ringfence import EventKind
from ringfence.adapters.calls import Message, Sighting, digest

LENGTH_OCTETS = 4
FRAME_OCTETS_MAX = 16 << 20
"""Far more than any: a process that says more is out of its mind, and is ended."""
HELLO = b"ringfence hep 1\n"
"""What a process says first, when it can take its sockets."""
_NAME_MAX = 64

Packed = tuple[Any, ...]


class Batch(NamedTuple):
    """What was found since the batch before, in order."""

    heard_until: float
    """Unix seconds: all that had arrived by then is in this batch or in one before."""
    is_connected: bool
    """Whether anybody sends over TCP: there may be a message of which only a part was read."""
    reports: Sequence[Packed]
    """See `pack` and `unpack`."""
    lost: Sequence[tuple[int, int]]
    """What is not to be claimed, [began, ended) in unix seconds."""
    tally: dict[str, int]
    """What was counted; each report is a repeat in it."""
    understood: Sequence[int]
    """Which of the named agents were understood so far."""
    said: Sequence[str]
    is_last: bool
    """Whether it ends in order: nothing is left with it."""


def to_frame(batch: Batch) -> bytes:
    """The batch as it is sent."""
    fields: Any = tuple(batch)
    octets = marshal.dumps(fields)
    return len(octets).to_bytes(LENGTH_OCTETS) + octets


def of_octets(octets: bytes) -> Batch:
    """The batch in a frame without its length."""
    return Batch._make(marshal.loads(octets))  # of our own process


def pack(seen: Sighting, at: int, kind: EventKind, caller_unreadable: bool) -> Packed:
    """One report: a sighting, and what its event would be. Names are shortened as one."""
    message = seen.message
    names = tuple(map(_short, seen.names))
    return (
        (seen.called, seen.caller, seen.seen_at, names, _short(seen.hint), seen.leg, seen.request),
        seen.is_message,
        message and (message.cseq, message.body, message.credentials, message.dialogue),
        (seen.agent, seen.captured_at),
        at,
        int(kind),
        caller_unreadable,
    )


def unpack(packed: Packed) -> tuple[Sighting, int, EventKind, bool]:
    """What was packed."""
    who, is_message, message, when, at, kind, caller_unreadable = packed
    seen = Sighting(*who)
    seen.is_message, seen.message = is_message, message and Message(*message)
    seen.agent, seen.captured_at = when
    return seen, at, _KINDS[kind], caller_unreadable


_KINDS = {int(kind): kind for kind in EventKind}


def _short(name: bytes) -> bytes:
    """The name, or what stands for a long one and still says of what kind it is."""
    return name if len(name) <= _NAME_MAX else name[:2] + digest(name)
