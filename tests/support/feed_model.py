"""What feeds have covered, as a plain program: claims in workers' journals, on their way, taken."""

from dataclasses import dataclass, field
from itertools import pairwise

from ringfence.engine.settings.policy import Feed

Interval = tuple[int, int]
Claim = tuple[str, int, Interval]
"""Name of a feed, which of all registrations it has been claimed under, and what is claimed."""


def union(claims: list[Interval]) -> list[Interval]:
    """The same time as disjoint intervals that do not touch, ascending."""
    joined: list[Interval] = []
    for begin, end in sorted(claims):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


@dataclass
class FeedModel:
    """The registered feeds, and where the claims of each worker's journal have come to."""

    taken: dict[str, list[Interval]] = field(default_factory=dict)
    registered: dict[str, int] = field(default_factory=dict)  # under which number
    registrations: int = 0
    journals: dict[str, list[Claim]] = field(default_factory=dict)
    reported: dict[str, int] = field(default_factory=dict)  # by journal, how many
    durable: dict[str, int] = field(default_factory=dict)  # of these, in the keeper's journal
    on_their_way: list[Claim] = field(default_factory=list)

    @property
    def feeds(self) -> list[Feed]:
        """As the oracle has them."""
        return [Feed(name, tuple(claims)) for name, claims in self.taken.items()]

    def register(self, feed: str) -> None:
        """A feed is registered, or stays so with all that it has covered."""
        if feed not in self.taken:
            self.registrations += 1
            self.taken[feed], self.registered[feed] = [], self.registrations

    def unregister(self, feed: str) -> None:
        """A feed is deleted; a later one of its name is another one."""
        del self.taken[feed], self.registered[feed]

    def claim(self, journal: str, feed: str, claimed: Interval) -> bool:
        """A worker journals a claim, unless nobody has registered the feed; whether it did."""
        if feed in self.taken:
            claim = feed, self.registered[feed], claimed
            self.journals.setdefault(journal, []).append(claim)
        return feed in self.taken

    def report(self, journal: str) -> None:
        """The keeper is told the rest of a journal."""
        claims = self.journals.get(journal, [])
        self.on_their_way += claims[self.reported.get(journal, 0) :]
        self.reported[journal] = len(claims)

    def flush(self) -> None:
        """What was reported holds from now on, whatever dies."""
        for feed, registration, claimed in self.on_their_way:
            if self.registered.get(feed) == registration:  # else it has been deleted
                self.taken[feed].append(claimed)
        self.on_their_way.clear()
        self.durable = dict(self.reported)

    def die(self) -> None:
        """The keeper forgets what is not durable, and will be told again."""
        self.on_their_way.clear()
        self.reported = dict(self.durable)

    def gaps(self, feed: str, now: int, silence_max_s: int) -> list[Interval]:
        """What the claims lack, newest first; an open gap ends at 0."""
        covered = union(self.taken[feed])
        gaps = [(before[1], after[0]) for before, after in pairwise(covered)]
        if covered and now - covered[-1][1] > silence_max_s:
            gaps.append((covered[-1][1], 0))
        return gaps[::-1]
