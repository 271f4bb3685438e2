"""The keeper's book of policies and pools: checks each change and publishes all of them at once.

An index is a place in the book and never moves, since records hold the index of their pool.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ringfence.engine.control import TableWriter
from ringfence.engine.segment import POLICIES_MAX, POOLS_MAX
from ringfence.engine.settings import Policy, Pool, SettingError, check_name
from ringfence.server.refusal import no_such, over_quota, wrong_revision

Setting = TypeVar("Setting", Policy, Pool)


class SettingsBook:
    """Policies and pools, each with a revision that counts its changes."""

    def __init__(
        self,
        writer: TableWriter,
        ring_entries: int,
        policies: Sequence[Policy],
        pools: Sequence[Pool],
    ) -> None:
        self._writer = writer
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

    def put_policy(self, policy: Policy, *, validate_only: bool) -> Policy:
        """Adds or replaces a policy; returns it with its new revision."""
        try:
            policy.check(self._ring_entries)
        except SettingError as error:
            raise SettingError(f"policy.{error.field}", error.text) from None
        policies, policy = _put("policy", self._policies, policy, POLICIES_MAX)
        if not validate_only:
            self._writer.publish(policies, self._pools)
            self._policies = policies
        return policy

    def put_pool(self, pool: Pool, *, validate_only: bool) -> Pool:
        """Adds or replaces a pool; returns it with its new revision."""
        try:
            pool.check()
        except SettingError as error:
            raise SettingError(f"pool.{error.field}", error.text) from None
        if _find(self._policies, pool.policy) is None:
            raise no_such("policy", pool.policy)
        for feed in pool.required_feeds:
            raise no_such("feed", feed)  # feeds are not registered in this version
        pools, pool = _put("pool", self._pools, pool, POOLS_MAX)
        if not validate_only:
            self._writer.publish(self._policies, pools)
            self._pools = pools
        return pool


def _put(
    what: str, settings: list[Setting], setting: Setting, most: int
) -> tuple[list[Setting], Setting]:
    """The book's list with one setting put in, and that setting with its revision."""
    index = _find(settings, setting.name)
    present = None if index is None else settings[index].revision
    if setting.revision not in (0, present):
        raise wrong_revision(what, setting.name, given=setting.revision, present=present)
    setting = replace(setting, revision=(present or 0) + 1)
    changed = list(settings)
    if index is not None:
        changed[index] = setting
    elif len(settings) < most:
        changed.append(setting)
    else:
        raise over_quota(what, f"value={len(settings) + 1}, bound={most}")
    return changed, setting


def _find(settings: Sequence[Setting], name: str) -> int | None:
    return next((i for i, setting in enumerate(settings) if setting.name == name), None)
