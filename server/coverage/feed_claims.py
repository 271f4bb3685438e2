"""Where a feed's claims begin when they do not say, and what its watermark is.

A worker knows what the keeper has published and what its own journal holds since; a claim that came
through another worker is known to it a second or two later.
"""

from ringfence.engine.segment import Segment
from ringfence.server.coverage.covered_time import Interval

NO_CLAIM: Interval = (0, 0)

_Feed = tuple[str, int]
"""Name and place: one that was deleted and registered again is another feed."""


class FeedClaims:
    """The watermarks of registered feeds, as one worker knows them; bounded as these are."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._generations = (-1, -1)
        self._published: dict[str, tuple[int, int]] = {}  # place and watermark
        self._durable: dict[_Feed, int] = {}
        self._drawn: dict[_Feed, int] = {}  # by claims on their way to the disk too

    def is_registered(self, feed: str) -> bool:
        """Whether its claims count."""
        self._refresh()
        return feed in self._published

    def claim(self, feed: str, complete_from: int, watermark: int) -> Interval:
        """The interval that a batch claims; NO_CLAIM = none.

        Without complete_from it begins where the newest claim ends, even one that is not durable
        yet: should that one fail, nothing of it is claimed by others. Where nothing is held it is
        the empty interval at the watermark, which is held from then on.
        """
        self._refresh()
        known = self._feed(feed)
        if not watermark:
            return NO_CLAIM
        if complete_from:
            begin = complete_from
        elif known is None:
            return NO_CLAIM
        else:
            begin = max(self._held(known), self._drawn.get(known, 0))
            if begin >= watermark:
                return NO_CLAIM
            begin = begin or watermark
        if known is not None:
            self._drawn[known] = max(self._drawn.get(known, 0), watermark)
        return begin, watermark

    def settle(self, feed: str, claim: Interval) -> None:
        """A claim is durable."""
        known = self._feed(feed)
        if known is not None and claim[1]:
            self._durable[known] = max(self._durable.get(known, 0), claim[1])

    def fail(self, feed: str) -> None:
        """Claims that were on their way to the disk may not be durable."""
        known = self._feed(feed)
        if known is not None:
            self._drawn.pop(known, None)

    def watermark(self, feed: str) -> int:
        """The greatest end of a durable claim of a feed; 0 = none, or it is not registered."""
        self._refresh()
        known = self._feed(feed)
        return 0 if known is None else self._held(known)

    def _feed(self, feed: str) -> _Feed | None:
        published = self._published.get(feed)
        return None if published is None else (feed, published[0])

    def _held(self, feed: _Feed) -> int:
        return max(self._published[feed[0]][1], self._durable.get(feed, 0))

    def _refresh(self) -> None:
        segment = self._segment
        generations = segment.settings_generation, segment.coverage_generation
        if generations == self._generations:
            return
        published = segment.watermarks()
        if published is None:  # what was read before still holds
            return
        self._published, self._generations = published, generations
        registered = {(feed, place) for feed, (place, _) in published.items()}
        for ends in (self._durable, self._drawn):
            for gone in ends.keys() - registered:
                del ends[gone]
