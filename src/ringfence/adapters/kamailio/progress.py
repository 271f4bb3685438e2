"""Until when one adapter has claimed or lost everything: what it would write down at a moment.

It stands between `Heard`, which knows the reports, and the stream, which knows the answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from ringfence import EventStreamStats
from ringfence.adapters.kamailio.heard import Heard
from ringfence.adapters.kamailio.state import State


class ClaimingStream(Protocol):
    """As much of `EventStream` as is needed."""

    @property
    def stats(self) -> EventStreamStats:
        """What the stream has done so far."""

    def lose(self, began_at: int, ended_at: int) -> None:
        """Takes [began_at, ended_at) out of its claims."""


class Progress:
    """What a run has got to, for the state of the next one. All times are unix seconds.

    `begin` must be called before anything is lost or asked: the stream asks `Heard` until when it
    may claim, and so is made after it.
    """

    def __init__(
        self,
        feed: str,
        left: State | None,
        *,
        margin_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        began_at = clock()
        self._feed = feed
        self._clock = clock
        self._lost_until = left.claimed if left else int(began_at) + 1
        self.heard = Heard(
            self._lose,
            began_at=began_at,
            margin_s=margin_s,
            patience_s=max(margin_s, 1.0),
            mark=left.mark if left else None,
        )
        self._stream: ClaimingStream

    def begin(self, stream: ClaimingStream) -> None:
        """Tells whose claims these are."""
        self._stream = stream

    def _lose(self, began: int, ended: int) -> None:
        self._lost_until = max(self._lost_until, ended)
        self._stream.lose(began, ended)

    def count(self) -> tuple[int, int]:
        """Events taken over so far, and of these answered."""
        stats = self._stream.stats
        if stats.refused or stats.dropped:  # what the server did not take is lost, up to now
            self._lost_until = max(self._lost_until, int(self._clock()) + 1)
        return stats.answered + stats.unanswered, stats.answered

    def present(self) -> State:
        """Where the next run would go on, once all that was taken over is answered."""
        watermark = self._stream.stats.watermark
        answered_until = int(watermark.timestamp()) if watermark else 0
        boot, seq, until = self.heard.whole
        return State(self._feed, boot, seq, until, max(self._lost_until, answered_until))
