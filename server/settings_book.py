"""The keeper's book of policies and pools: checks each change before it is made.

An index is a place in the book and never moves, since records hold the index of their pool.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ringfence.engine.segment import POLICIES_MAX, POOLS_MAX
from ringfence.engine.settings import Policy, Pool, SettingError, check_name
from ringfence.server.refusal import no_such, over_quota, wrong_revision

Setting = TypeVar("Setting", Policy, Pool)


class SettingsBook:
    """Policies and pools, each with a revision that counts its changes."""

    def __init__(
        self, ring_entries: int, policies: Sequence[Policy], pools: Sequence[Pool]
    ) -> None:
        self._ring_entries = ring_entries
        self._policies = list(policies)
        self._pools = list(pools)

    @property
    def policies(self) -> Sequence[Policy]:
        """All policies by index."""
        return self._policies

    @property
    def pools(self) -> Sequence[Pool]:
        """All pools by index."""
        return self._pools

    def pool_index(self, name: str) -> int:
        """The index of a pool by name; raises a refusal."""
        check_name("pool", name)
        index = _find(self._pools, name)
        if index is None:
            raise no_such("pool", name)
        return index

    def check_policy(self, policy: Policy) -> tuple[int, Policy]:
        """Where a policy goes, and how it stands there, with its new revision."""
        try:
            policy.check(self._ring_entries)
        except SettingError as error:
            raise SettingError(f"policy.{error.field}", error.text) from None
        return _placed("policy", self._policies, policy, POLICIES_MAX)

    def check_pool(self, pool: Pool) -> tuple[int, Pool]:
        """Where a pool goes, and how it stands there, with its new revision."""
        try:
            pool.check()
        except SettingError as error:
            raise SettingError(f"pool.{error.field}", error.text) from None
        if _find(self._policies, pool.policy) is None:
            raise no_such("policy", pool.policy)
        for feed in pool.required_feeds:
            raise no_such("feed", feed)  # feeds are not registered in this version
        return _placed("pool", self._pools, pool, POOLS_MAX)

    def place_policy(self, index: int, policy: Policy) -> None:
        """Puts a policy where it goes."""
        self._policies[index : index + 1] = [policy]

    def place_pool(self, index: int, pool: Pool) -> None:
        """Puts a pool where it goes."""
        self._pools[index : index + 1] = [pool]


def _placed(what: str, settings: list[Setting], setting: Setting, most: int) -> tuple[int, Setting]:
    index = _find(settings, setting.name)
    present = None if index is None else settings[index].revision
    if setting.revision not in (0, present):
        raise wrong_revision(what, setting.name, given=setting.revision, present=present)
    if index is None and len(settings) >= most:
        raise over_quota(what, f"value={len(settings) + 1}, bound={most}")
    setting = replace(setting, revision=(present or 0) + 1)
    return len(settings) if index is None else index, setting


def _find(settings: Sequence[Setting], name: str) -> int | None:
    return next((i for i, setting in enumerate(settings) if setting.name == name), None)
