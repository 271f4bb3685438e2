"""A batch of events as bytes, 21 for each, until it is answered."""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import NamedTuple

import numpy as np

from ringfence.claims import Interval
from ringfence.v1.event_service_pb2 import StreamEventsRequest

EVENT_DTYPE = np.dtype(
    [("called", "<u8"), ("caller", "<u8"), ("occurred_at", "<u4"), ("kind", "u1")]
)
EVENT_BYTES = EVENT_DTYPE.itemsize
_EVENT = struct.Struct("<QQIB")
_COLUMNS = ((4, "called"), (5, "caller"), (6, "occurred_at"), (7, "kind"))
"""Field numbers of the lists in a request, all packed and little-endian."""
_VARINT_OF_ONE_BYTE = 0x80
_TEXT_CALLER = 1 << 63
_OUT_OF_RANGE = (
    "event out of range: limit=unsigned integers of 64 bits (called, caller), "
    "32 bits (occurred_at), 8 bits (kind)"
)


class SentEvent(NamedTuple):
    """An event as it was handed over: whole numbers, whatever they mean."""

    called: int
    caller: int
    occurred_at: int
    kind: int

    def __repr__(self) -> str:
        return f"SentEvent(occurred_at={self.occurred_at}, kind={self.kind})"


def caller_of_text(text: str) -> int:
    """The caller that stands for a text sender such as a bank's name: 64 bits, the top one set.

    The first 8 bytes, big-endian, of SHA-256 of the text in UTF-8, trimmed and casefolded.
    """
    digest = hashlib.sha256(text.strip().casefold().encode()).digest()
    return int.from_bytes(digest[:8], "big") | _TEXT_CALLER


def pack_event(called: int, caller: int, occurred_at: int, kind: int) -> bytes:
    """One event as bytes; raises ValueError, without any of the values, for what does not fit."""
    try:
        return _EVENT.pack(called, caller, occurred_at, kind)
    except struct.error:
        raise ValueError(_OUT_OF_RANGE) from None


def pack_events(events: Iterable[tuple[int, int, int, int]]) -> bytes:
    """Events as bytes, each called, caller, occurred_at and kind; raises as `pack_event` does."""
    try:
        return b"".join(starmap(_EVENT.pack, events))
    except struct.error:
        raise ValueError(_OUT_OF_RANGE) from None


@dataclass(slots=True, eq=False)
class EventBatch:
    """Events that were handed over together, and the interval of time that they complete."""

    sequence: int
    events: bytearray
    interval: Interval
    sent: bool = False

    def __len__(self) -> int:
        return len(self.events) // EVENT_BYTES

    def happened(self) -> Interval:
        """The shortest interval that holds all its events; empty when there are none."""
        times = np.frombuffer(self.events, EVENT_DTYPE)["occurred_at"]
        return (int(times.min()), int(times.max()) + 1) if len(times) else (0, 0)

    def rejected(self, count: int, first: Sequence[int]) -> list[SentEvent]:
        """The `count` events that the server rejected, of which it named the first by position.

        Where it rejected more than it named, all behind the last named may be among them.
        """
        which = [at for at in first if at < len(self)]
        if count > len(which):
            which += range(which[-1] + 1 if which else 0, len(self))
        events = np.frombuffer(self.events, EVENT_DTYPE)
        return [SentEvent(*each) for each in events[which].tolist()]

    def request(self, feed: str, claim: Interval | None) -> StreamEventsRequest:
        """The message that sends it, with that claim."""
        complete_from, watermark = claim or (0, 0)
        request = StreamEventsRequest(
            feed=feed, sequence=self.sequence, watermark=watermark, complete_from=complete_from
        )
        if self.events:
            request.MergeFromString(self._columns())
        return request

    def _columns(self) -> bytes:
        """The lists of a request as they are on the wire: no event becomes an object."""
        events = np.frombuffer(self.events, EVENT_DTYPE)
        pieces: list[bytes] = []
        for field, name in _COLUMNS:
            octets = events[name].tobytes()
            if name == "kind" and max(octets) >= _VARINT_OF_ONE_BYTE:
                octets = b"".join(map(_varint, octets))
            pieces += (_varint(field << 3 | 2), _varint(len(octets)), octets)
        return b"".join(pieces)


def _varint(value: int) -> bytes:
    """A whole number on the wire: seven bits a byte, the lowest first."""
    octets = bytearray()
    while value >= _VARINT_OF_ONE_BYTE:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)
