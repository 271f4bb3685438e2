"""What several taps print, in the order of its time: an attempt may be seen by two of them.

A packet is given out when every tap has come to its time. One that says nothing for long is not
waited for, and neither is one that others are too far ahead of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from heapq import heappop, heappush

from ringfence.adapters.tap.packets import Packet

HELD_MAX = 65_536
STALLED_S = 5.0


class Merging:
    """Packets of so many taps; for one thread."""

    def __init__(self, taps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = [0.0] * taps
        self._said_at = [clock()] * taps
        self._held: list[tuple[float, int, Packet]] = []
        self._count = 0

    def take(self, packet: Packet) -> None:
        """A packet came."""
        self._count += 1
        heappush(self._held, (packet.at, self._count, packet))

    def come(self, tap: int, until: float) -> None:
        """A tap has come to this time, unix seconds."""
        self._until[tap] = max(self._until[tap], until)
        self._said_at[tap] = self._clock()

    def end(self, tap: int) -> None:
        """A tap has nothing more."""
        self._until[tap] = float("inf")

    def due(self) -> Iterator[Packet]:
        """The packets that nobody is waited for any more."""
        now = self._clock()
        until = min(
            (
                until
                for until, said_at in zip(self._until, self._said_at, strict=True)
                if now - said_at < STALLED_S
            ),
            default=float("inf"),
        )
        while self._held and (self._held[0][0] <= until or len(self._held) > HELD_MAX):
            yield heappop(self._held)[2]
