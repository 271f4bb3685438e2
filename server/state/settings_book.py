"""The keeper's book of policies, pools and feeds: checks each change before it is made.

An index never moves, since records hold the index of their pool. One that was left is taken again
only when the book has no other.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ringfence.engine.memory.layout import FEEDS_MAX, POLICIES_MAX, POOLS_MAX
from ringfence.engine.settings.policy import Feed, Policy, Pool, check_name, check_reachable
from ringfence.server.journal.keeper_value_pb2 import (
    KeeperImage,
    KeeperValue,
    PlacedFeed,
    PlacedPolicy,
    PlacedPool,
)
from ringfence.server.link.refusal import in_use, no_such, over_quota, wrong_revision
from ringfence.server.state.setting_messages import (
    feed_message,
    naming,
    policy_message,
    pool_message,
    read_feed,
    read_policy,
    read_pool,
)

Setting = TypeVar("Setting", Policy, Pool, Feed)


class SettingsBook:
    """Each setting with a revision that counts its changes; None = an index that was left."""

    def __init__(self, ring_entries: int) -> None:
        self._ring_entries = ring_entries
        self.policies: list[Policy | None] = []
        self.pools: list[Pool | None] = []
        self.feeds: list[Feed | None] = []
        self.feeds_registered = 0
        """Ever: an index may be another feed's later, a registration never is."""

    def pool_index(self, name: str) -> int:
        """The index of a pool by name; raises a refusal."""
        check_name("pool", name)
        index = _find(self.pools, name)
        if index is None:
            raise no_such("pool", name)
        return index

    def has_pool(self, name: str) -> bool:
        """Whether there is a pool of that name."""
        return _find(self.pools, name) is not None

    def feed_index(self, name: str) -> int | None:
        """The index of a feed by name; None = it is not registered."""
        return _find(self.feeds, name)

    def policy_index(self, name: str) -> int:
        """The index of a policy that is there."""
        index = _find(self.policies, name)
        assert index is not None
        return index

    def pool(self, index: int) -> Pool | None:
        """The pool at an index; None = it was deleted."""
        return self.pools[index] if index < len(self.pools) else None

    def feed(self, index: int) -> Feed | None:
        """The feed at an index; None = it was deleted."""
        return self.feeds[index] if index < len(self.feeds) else None

    def check(self) -> None:
        """Raises SettingError for a policy that these rings cannot decide; larger ones could."""
        for policy in self.policies:
            if policy is not None:
                with naming(f"policy {policy.name}"):
                    policy.check(self._ring_entries)

    def check_policy(self, policy: Policy) -> PlacedPolicy:
        """Where a policy goes, and how it stands there, with its new revision."""
        with naming("policy"):
            policy.check(self._ring_entries)
            for pool in self.pools:
                if pool is not None and pool.policy == policy.name:
                    check_reachable(policy, pool)
        index, placed = _placed("policy", self.policies, policy, POLICIES_MAX)
        return PlacedPolicy(index=index, policy=policy_message(placed))

    def check_pool(self, pool: Pool) -> PlacedPool:
        """Where a pool goes, and how it stands there, with its new revision."""
        with naming("pool"):
            pool.check()
        policy = next((each for each in self.policies if each and each.name == pool.policy), None)
        if policy is None:
            raise no_such("policy", pool.policy)
        with naming("pool.policy"):
            check_reachable(policy, pool)
        for feed in pool.required_feeds:
            if _find(self.feeds, feed) is None:
                raise no_such("feed", feed)
        index, placed = _placed("pool", self.pools, pool, POOLS_MAX)
        return PlacedPool(index=index, pool=pool_message(placed))

    def check_feed(self, feed: Feed) -> PlacedFeed:
        """Where a feed goes, and how it stands there, with its new revision."""
        with naming("feed"):
            feed.check()
        index, placed = _placed("feed", self.feeds, feed, FEEDS_MAX)
        present = self.feed(index)
        registration = present.registration if present else self.feeds_registered + 1
        return PlacedFeed(index=index, feed=feed_message(placed), registration=registration)

    def check_feed_deletion(self, name: str) -> PlacedFeed:
        """The index that a feed leaves; raises a refusal while a pool requires it."""
        check_name("name", name)
        index = _find(self.feeds, name)
        if index is None:
            raise no_such("feed", name)
        for pool in self.pools:
            if pool is not None and name in pool.required_feeds:
                raise in_use("feed", name, f"pool {pool.name!r} requires it")
        return PlacedFeed(index=index)

    def check_policy_deletion(self, name: str) -> PlacedPolicy:
        """The index that a policy leaves; raises a refusal while a pool uses it."""
        check_name("name", name)
        index = _find(self.policies, name)
        if index is None:
            raise no_such("policy", name)
        for pool in self.pools:
            if pool is not None and pool.policy == name:
                raise in_use("policy", name, f"pool {pool.name!r} uses it")
        return PlacedPolicy(index=index)

    def place(self, value: KeeperValue | KeeperImage) -> bool:
        """Puts settings where they go, or takes them away; whether there are any."""
        for policy in value.policies:
            given = read_policy(policy.policy) if policy.HasField("policy") else None
            _put(self.policies, policy.index, given)
        for pool in value.pools:
            _put(self.pools, pool.index, read_pool(pool.pool) if pool.HasField("pool") else None)
        for feed in value.feeds:
            _put(self.feeds, feed.index, _read_placed(feed) if feed.HasField("feed") else None)
            self.feeds_registered = max(self.feeds_registered, feed.registration)
        if isinstance(value, KeeperImage):
            self.feeds_registered = max(self.feeds_registered, value.feeds_registered)
        return bool(value.policies or value.pools or value.feeds)


def _read_placed(feed: PlacedFeed) -> Feed:
    return replace(read_feed(feed.feed), registration=feed.registration)


def _put(settings: list[Setting | None], index: int, setting: Setting | None) -> None:
    settings.extend([None] * (index + 1 - len(settings)))
    settings[index] = setting


def _placed(
    what: str, settings: list[Setting | None], setting: Setting, most: int
) -> tuple[int, Setting]:
    index = _find(settings, setting.name)
    present = None if index is None else settings[index]
    revision = None if present is None else present.revision
    if setting.revision not in (0, revision):
        raise wrong_revision(what, setting.name, given=setting.revision, present=revision)
    if index is None:
        index = len(settings) if len(settings) < most else _free(what, settings)
    return index, replace(setting, revision=(revision or 0) + 1)


def _free(what: str, settings: Sequence[Setting | None]) -> int:
    try:
        return settings.index(None)
    except ValueError:
        raise over_quota(what, f"value={len(settings) + 1}, bound={len(settings)}") from None


def _find(settings: Sequence[Setting | None], name: str) -> int | None:
    return next((i for i, each in enumerate(settings) if each and each.name == name), None)
