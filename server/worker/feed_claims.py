"""Where a feed's claims begin when they do not say, and what its watermark is.

A worker knows what the keeper has published and what its own journal holds since; a claim that came
through another worker is known to it a second or two later.
"""

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.reading import read_watermarks
from ringfence.server.journal.event_value import Claim

_Feed = tuple[str, int, int]
"""Name, index, registration: one that was deleted and registered again is another feed."""


class FeedClaims:
    """The watermarks of registered feeds, as one worker knows them; bounded as these are."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._generations = (-1, -1)
        self._published: dict[str, tuple[int, int, int]] = {}  # index, registration, watermark
        self._durable: dict[_Feed, int] = {}
        self._drawn: dict[_Feed, int] = {}  # by claims on their way to the disk too

    def is_registered(self, feed: str) -> bool:
        """Whether its claims count."""
        self._refresh()
        return feed in self._published

    def claim(self, feed: str, complete_from: int, watermark: int) -> Claim | None:
        """What a batch claims; None = nothing, as a feed does that is not registered.

        Without complete_from it begins where the newest claim ends, even one that is not durable
        yet: should that one fail, nothing of it is claimed by others. Where nothing is held it is
        the empty interval at the watermark, which is held from then on.
        """
        self._refresh()
        known = self._feed(feed)
        if known is None or not watermark:
            return None
        drawn = self._drawn.get(known, 0)
        begin = complete_from
        if not begin:
            begin = max(self._held(known), drawn)
            if begin >= watermark:
                return None
        self._drawn[known] = max(drawn, watermark)
        return Claim(*known[1:], begin or watermark, watermark)

    def settle(self, feed: str, claim: Claim) -> None:
        """A claim is durable."""
        known = feed, *claim[:2]  # of a feed that has been deleted until the next refresh
        self._durable[known] = max(self._durable.get(known, 0), claim.end)

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
        return None if published is None else (feed, *published[:2])

    def _held(self, feed: _Feed) -> int:
        return max(self._published[feed[0]][2], self._durable.get(feed, 0))

    def _refresh(self) -> None:
        segment = self._segment
        generations = segment.settings_generation, segment.coverage_generation
        if generations == self._generations:
            return
        published = read_watermarks(segment)
        if published is None:  # what was read before still holds
            return
        self._published, self._generations = published, generations
        registered = {(feed, *held[:2]) for feed, held in published.items()}
        for ends in (self._durable, self._drawn):
            for gone in ends.keys() - registered:
                del ends[gone]
