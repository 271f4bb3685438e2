"""Pools that require no feed: nobody has to listen for them, so their silence is taken on trust.

It is said wherever such a pool is met: a coverage of 100 % reads as if somebody had listened.
"""

from collections.abc import Sequence

ON_TRUST = "silence is taken on trust: no feed is required"
_NAMED_MAX = 10


def on_trust_text(pools: Sequence[str]) -> str:
    """Says it of some pools; beyond 10 it only counts them."""
    named = ", ".join(pools[:_NAMED_MAX])
    more = f" and {len(pools) - _NAMED_MAX} more" if len(pools) > _NAMED_MAX else ""
    return f"{'pool' if len(pools) == 1 else 'pools'} {named}{more}: {ON_TRUST}"
