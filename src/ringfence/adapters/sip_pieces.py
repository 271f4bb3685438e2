"""Pieces of SIP streams until they are messages: what a capture agent copies from TCP.

Each HEP message carries one piece, most often a whole message. An unfinished one is kept for its
addresses and ports until the rest comes. What does not come within WAIT_S, or finds no room, is
given up: it is read as far as it goes and doubted, as is whatever belongs to nothing.

A doubted part has perhaps hidden a call. Its time cannot be claimed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ringfence.adapters.base import Unreadable
from ringfence.adapters.hep import SHORT_MAX, Datagram
from ringfence.adapters.sip_seam import body_is_of_two
from ringfence.adapters.sip_stream import (
    Cut,
    State,
    begins_message,
    cut_stream,
    has_headers,
)

WAIT_S = 4
"""How long the rest of a message may take: TCP repeats a lost segment after one and three."""
STREAMS_MAX = 1_024
PIECES_MAX = 64
MESSAGE_OCTETS_MAX = 65_535
OCTETS_MAX = 8 << 20
"""Of all streams together."""


class Origin(NamedTuple):
    """The piece in which something began."""

    source: Datagram
    at: int
    received_at: int


@dataclass(frozen=True, slots=True)
class Part:
    """Something in a stream, when it is known what it is."""

    octets: bytes = field(repr=False)
    """A message to be read; empty when there is an outcome."""
    origin: Origin
    until: int
    """When the last piece of it was received."""
    outcome: str = ""
    """What it is, if it is no message to be read."""
    doubted: bool = False
    seams: tuple[int, ...] = ()
    """Where in it pieces met, which are perhaps of two messages."""


@dataclass(slots=True)
class _Kept:
    octets: bytes = field(repr=False)
    origin: Origin
    until: int
    pieces: int
    beside: int = 0
    """Octets of what is kept beside them."""
    seams: tuple[int, ...] = ()
    """Where its pieces ended."""

    def given_up(self) -> Part:
        """What has come of it."""
        if has_headers(self.octets):
            return Part(self.octets, self.origin, self.until, doubted=True)
        return Part(b"", self.origin, self.until, "sip_truncated", doubted=True)


class Pieces:
    """The unfinished messages of all streams; not shared between threads."""

    def __init__(
        self,
        *,
        wait_s: int = WAIT_S,
        streams_max: int = STREAMS_MAX,
        octets_max: int = OCTETS_MAX,
    ) -> None:
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        """By stream, the one that waits longest first."""
        self._octets = 0
        self._wait_s = wait_s
        self._streams_max = streams_max
        self._octets_max = octets_max

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def octets(self) -> int:
        """How many octets are kept."""
        return self._octets

    @property
    def waits_since(self) -> int | None:
        """The earliest time, unix seconds, of anything that still waits; None = nothing does."""
        if not self._kept:
            return None
        origins = [kept.origin for kept in self._kept.values()]
        return min(min(origin.at, origin.received_at) for origin in origins)

    def take(self, piece: Datagram, at: int, received_at: int) -> list[Part]:
        """What is known with this piece, in order."""
        parts = list(self.late(received_at)) if self._kept else []
        here = Origin(piece, at, received_at)
        octets = piece.payload
        # The name is only asked for when something is unfinished, which is the exception.
        stream = piece.connection if self._kept else None
        kept = self._kept.get(stream) if stream else None
        if stream and kept and (begins_message(octets) or _is_too_much(kept, octets)):
            parts.append(self._give_up(stream))
            kept = None
        if not kept:
            kept = _Kept(b"", here, received_at, 0)
        seam = len(kept.octets)
        whole = kept.octets + octets if seam else octets
        begins: int | None = None
        try:
            for cut in cut_stream(whole):
                if cut.state is State.OPEN:
                    begins = cut.begin
                    break
                mended = cut.begin < seam
                part = _part(whole, cut, kept.origin if mended else here, received_at)
                if mended:
                    part = replace(
                        part,
                        doubted=part.doubted or body_is_of_two(part.octets),
                        seams=kept.seams,
                    )
                parts.append(part)
        except Unreadable as unreadable:
            parts.append(Part(b"", here, received_at, unreadable.reason, doubted=True))
        if begins is None:
            if stream:
                self._forget(stream)
        else:
            stream = piece.connection if stream is None else stream
            if begins >= seam:  # another message than the one that was kept
                self._forget(stream)
                kept = _begun(piece, at, received_at)
                self._octets += kept.beside
            parts += self._keep(stream, kept, whole[begins:], received_at)
        return parts or [Part(b"", here, received_at, "keepalive")]

    def late(self, now: int) -> Iterator[Part]:
        """Gives up what has waited long enough."""
        while self._kept:
            stream, kept = next(iter(self._kept.items()))
            # A clock that was set back must not make anything wait for ever.
            if abs(now - kept.origin.received_at) < self._wait_s:
                return
            yield self._give_up(stream)

    def all(self) -> Iterator[Part]:
        """Gives up everything, as nothing more will come."""
        while self._kept:
            yield self._give_up(next(iter(self._kept)))

    def _keep(self, stream: bytes, kept: _Kept, octets: bytes, received_at: int) -> Iterator[Part]:
        """Keeps what is unfinished; gives up what there is no room for."""
        self._octets += len(octets) - len(kept.octets)
        kept.octets, kept.until = octets, received_at
        kept.pieces += 1
        kept.seams += (len(octets),)
        self._kept[stream] = kept
        if not stream:
            yield self._give_up(stream)
            return
        yield Part(b"", kept.origin, received_at, "sip_piece")
        while len(self._kept) > self._streams_max or self._octets > self._octets_max:
            yield self._give_up(next(iter(self._kept)))

    def _give_up(self, stream: bytes) -> Part:
        kept = self._kept[stream]
        self._forget(stream)
        return kept.given_up()

    def _forget(self, stream: bytes) -> None:
        kept = self._kept.pop(stream, None)
        if kept:
            self._octets -= len(kept.octets) + kept.beside


def _begun(piece: Datagram, at: int, received_at: int) -> _Kept:
    """What is kept of the piece in which a message begins, beside its octets: what may be long of
    that is its Call-ID only.
    """
    kinds = {kind: data for kind, data in piece.chunks.items() if len(data) <= SHORT_MAX}
    source = replace(piece, payload=b"", auth_key=b"", chunks=kinds)
    return _Kept(b"", Origin(source, at, received_at), 0, 0, beside=len(piece.correlation))


def _is_too_much(kept: _Kept, octets: bytes) -> bool:
    return kept.pieces >= PIECES_MAX or len(kept.octets) + len(octets) > MESSAGE_OCTETS_MAX


def _part(whole: bytes, cut: Cut, origin: Origin, until: int) -> Part:
    if cut.state is State.TAIL:
        return Part(b"", origin, until, "sip_tail", doubted=True)
    message = whole[cut.begin : cut.end]
    if cut.state is State.WHOLE:
        return Part(message, origin, until)
    if has_headers(message):
        return Part(message, origin, until, doubted=True)
    return Part(b"", origin, until, "sip_truncated", doubted=True)
