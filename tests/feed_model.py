"""What feeds have covered, as a plain program: claims in workers' journals, on their way, taken."""

from dataclasses import dataclass, field
from itertools import pairwise

from ringfence.engine.settings import Feed

Interval = tuple[int, int]
Claim = tuple[str, Interval]
"""Name of a feed, and what it claims."""


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
    journals: dict[str, list[Claim]] = field(default_factory=dict)
    reported: dict[str, int] = field(default_factory=dict)  # by journal, how many
    durable: dict[str, int] = field(default_factory=dict)  # of these, in the keeper's journal
    on_their_way: list[Claim] = field(default_factory=list)

    @property
    def feeds(self) -> list[Feed]:
        """As the oracle has them."""
        return [Feed(name, tuple(claims)) for name, claims in self.taken.items()]

    def report(self, journal: str) -> None:
        """The keeper is told the rest of a journal, and leaves out what nobody has registered."""
        claims = self.journals.get(journal, [])
        for feed, claim in claims[self.reported.get(journal, 0) :]:
            if feed in self.taken:
                self.on_their_way.append((feed, claim))
        self.reported[journal] = len(claims)

    def flush(self) -> None:
        """What was reported holds from now on, whatever dies."""
        for feed, claim in self.on_their_way:
            if feed in self.taken:  # it may have been deleted meanwhile
                self.taken[feed].append(claim)
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
