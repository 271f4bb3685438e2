"""The settings of the segment as a worker uses them: read once, and again after each change."""

from collections.abc import Sequence

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Policy, Pool
from ringfence.engine.settings.reading import read_policies, read_pools
from ringfence.server.link.refusal import no_such


class PublishedSettings:
    """Policies and pools of one generation; raises SegmentError while they never settle."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._generation = -1
        self._pools: Sequence[Pool | None] = ()
        self._policies: dict[str, Policy] = {}
        self._indices: dict[str, int] = {}

    def refresh(self) -> int:
        """Reads them again if they have changed; returns their generation."""
        while (generation := self._segment.settings_generation) != self._generation:
            policies, pools = read_policies(self._segment), read_pools(self._segment)
            if self._segment.settings_generation != generation:
                continue  # one of the two may be of the next generation
            self._pools = pools
            self._policies = {policy.name: policy for policy in policies if policy}
            self._indices = {pool.name: index for index, pool in enumerate(pools) if pool}
            self._generation = generation
        return self._generation

    def pool(self, index: int) -> Pool:
        """The pool at an index that a number has; such a pool is never taken away."""
        pool = self._pools[index]
        assert pool is not None
        return pool

    def policy_of(self, pool: Pool) -> Policy:
        """The policy that decides for a pool's numbers."""
        return self._policies[pool.policy]

    def pool_index(self, name: str) -> int:
        """The index of a pool by name; raises a refusal."""
        try:
            return self._indices[name]
        except KeyError:
            raise no_such("pool", name) from None
