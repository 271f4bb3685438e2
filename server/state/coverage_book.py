"""The keeper's book of coverage: what each registered feed has claimed, and from which values of
the workers' journals it knows.

Claims come to it in values of the keeper's journal, each after the worker's journal had it. They
are a join: nothing that is in it is ever taken back, but with its feed.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ringfence.engine.memory.layout import FEED_INTERVALS_MAX
from ringfence.engine.settings.policy import DAY_S, QUIET_PERIOD_S_MAX, WINDOW_S_MAX, Feed
from ringfence.server.journal.keeper_value_pb2 import (
    FeedClaims,
    JournalPosition,
    KeeperImage,
    KeeperValue,
)
from ringfence.server.state.covered_time import CoveredTime

LOOKED_BACK_S = WINDOW_S_MAX + QUIET_PERIOD_S_MAX
"""No verdict looks further back, under whatever policy."""


def join(covered: CoveredTime, bounds: Sequence[int], now: int) -> None:
    """Joins claims, begin, end, begin, end, into the covered time of a feed, which stays bounded:
    what is left out is what no verdict at `now` looks at, and then what matters least to it.
    """
    for interval in zip(bounds[::2], bounds[1::2], strict=True):
        covered.add(*interval)
    before = now - LOOKED_BACK_S
    covered.forget(before - before % DAY_S)  # by the day: the oldest interval is not always another
    covered.shorten(FEED_INTERVALS_MAX, now)


class FeedCoverage:
    """One feed's: the time covered, and where the next claim begins if it does not say."""

    def __init__(self) -> None:
        self.covered = CoveredTime()
        self.watermark = 0

    @property
    def bounds(self) -> array[int]:
        """The time covered, as a segment has it."""
        return self.covered.bounds

    def take(self, claims: FeedClaims, now: int) -> None:
        """Joins claims, as far as they matter at `now`."""
        join(self.covered, claims.bounds, now)
        self.watermark = max(self.watermark, claims.watermark)

    def claims(self, index: int) -> FeedClaims:
        """All of it as one message."""
        return FeedClaims(feed=index, bounds=self.bounds, watermark=self.watermark)


@dataclass(frozen=True, slots=True)
class HeardFeed:
    """A feed as a segment has it; of what it has covered no copy."""

    name: str
    registration: int
    bounds: array[int]
    watermark: int


class CoverageBook:
    """Coverage by the index of the feed, and positions of journals by their names."""

    def __init__(self) -> None:
        self._feeds: dict[int, FeedCoverage] = {}
        self._positions: dict[str, int] = {}

    @property
    def positions(self) -> Mapping[str, int]:
        """Up to which position of each worker's journal all claims are in the book."""
        return self._positions

    def of(self, index: int) -> FeedCoverage:
        """The coverage of a feed."""
        return self._feeds.get(index) or FeedCoverage()

    def take(self, value: KeeperValue | KeeperImage) -> None:
        """Takes in what a value of the keeper's journal says, or the state in a snapshot."""
        for placed in value.feeds:
            if not placed.HasField("feed"):
                self._feeds.pop(placed.index, None)
        for claims in value.claims:
            self._feeds.setdefault(claims.feed, FeedCoverage()).take(claims, value.decided_at)
        for journal in value.journals:
            held = self._positions.get(journal.name, 0)
            self._positions[journal.name] = max(held, journal.position)  # an image may be ahead

    def published(self, index: int, feed: Feed) -> HeardFeed:
        """A feed as the segment is to have it."""
        coverage = self.of(index)
        return HeardFeed(feed.name, feed.registration, coverage.bounds, coverage.watermark)

    def claims(self) -> Iterator[FeedClaims]:
        """All coverage, for a snapshot."""
        return (coverage.claims(index) for index, coverage in sorted(self._feeds.items()))

    def journals(self) -> Iterator[JournalPosition]:
        """All positions, for a snapshot."""
        return (
            JournalPosition(name=name, position=position)
            for name, position in sorted(self._positions.items())
        )
