"""All that the keeper knows at one moment, given away in parts while commands go on.

At that moment references are taken, and no more is done than making lists of settings. Each part is
asked for on the keeper's loop, which takes a millisecond at most, and made wherever one likes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ringfence.engine.settings.policy import Feed, Policy, Pool
from ringfence.server.journal.keeper_value_pb2 import (
    FeedClaims,
    KeeperImage,
    PlacedFeed,
    PlacedPolicy,
    PlacedPool,
)
from ringfence.server.state.former_runs import Run as FormerRun
from ringfence.server.state.hand_out_runs import Rows, Run
from ringfence.server.state.reservation_moment import ReservationMoment
from ringfence.server.state.setting_messages import feed_message, policy_message, pool_message

SETTINGS_MAX = 64  # in a part

Setting = TypeVar("Setting")
Part = Callable[[], bytes]
"""Makes a part of a KeeperImage, as it travels."""


@dataclass(frozen=True, eq=False)
class ImageMoment:
    """What an image is made of. Coverage alone may be ahead of the moment: it is a join."""

    head: KeeperImage
    """All that is no list, or short."""
    policies: Sequence[Policy | None]
    pools: Sequence[Pool | None]
    feeds: Sequence[Feed | None]
    claims: Iterable[FeedClaims]
    """Made when they are asked for."""
    reservations: ReservationMoment
    runs: Sequence[Run]
    former_lives: Sequence[FormerRun] = ()

    def parts(self, position: int) -> Iterator[Part]:
        """All parts, with the position of the newest command that they have. Settings come with
        all indexes; empty ones too, not to be taken again yet.
        """
        self.head.position = position
        self.head.hand_out_runs.extend(run.rows for run in self.runs)
        yield self.head.SerializeToString
        yield from _cut(self.policies, _policies)
        yield from _cut(self.pools, _pools)
        yield from _cut(self.feeds, _feeds)
        for claims in self.claims:
            yield partial(_claims, claims, self.head.decided_at)
        while entries := self.reservations.take():
            yield partial(_reservations, entries)
        for run in self.former_lives:
            yield partial(_former_lives, run)

    def hand_outs(self) -> Iterator[Rows]:
        """All hand-outs, run by run; a chunk that was given is let go of."""
        for run in self.runs:
            run.chunks.reverse()
            while run.chunks:
                yield run.chunks.pop()

    def close(self) -> None:
        """Lets go of the books."""
        self.reservations.close()


def _cut(
    settings: Sequence[Setting], part: Callable[[int, Sequence[Setting]], bytes]
) -> Iterator[Part]:
    for first in range(0, len(settings), SETTINGS_MAX):
        yield partial(part, first, settings[first : first + SETTINGS_MAX])


def _policies(first: int, policies: Sequence[Policy | None]) -> bytes:
    placed = [
        PlacedPolicy(index=index, policy=policy_message(policy) if policy else None)
        for index, policy in enumerate(policies, first)
    ]
    return KeeperImage(policies=placed).SerializeToString()


def _pools(first: int, pools: Sequence[Pool | None]) -> bytes:
    placed = [
        PlacedPool(index=index, pool=pool_message(pool) if pool else None)
        for index, pool in enumerate(pools, first)
    ]
    return KeeperImage(pools=placed).SerializeToString()


def _feeds(first: int, feeds: Sequence[Feed | None]) -> bytes:
    placed = [
        PlacedFeed(index=index, feed=feed_message(feed), registration=feed.registration)
        if feed
        else PlacedFeed(index=index)
        for index, feed in enumerate(feeds, first)
    ]
    return KeeperImage(feeds=placed).SerializeToString()


def _claims(claims: FeedClaims, decided_at: int) -> bytes:
    return KeeperImage(decided_at=decided_at, claims=[claims]).SerializeToString()


def _former_lives(run: FormerRun) -> bytes:
    return KeeperImage(former_lives=run.rows.tobytes()).SerializeToString()


def _reservations(entries: Sequence[bytes]) -> bytes:
    return KeeperImage(reservations=entries).SerializeToString()
