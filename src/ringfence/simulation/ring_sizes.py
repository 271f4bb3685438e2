"""Which size of the rings (K) is enough for the traffic of a history.

A full ring proves nothing of the time before its oldest event, so a number whose ring is full at
its minimum age waits. How many events come to it until then is known also where its ring has lost
some: from the rate of those that are left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ringfence.engine.memory.segment import RING_ENTRIES, Segment
from ringfence.engine.settings.policy import DAY_S, Policy
from ringfence.simulation.history import History
from ringfence.simulation.outcome import Share

ENOUGH = 0.95
"""Of the numbers, a share of this has room for all that matters: the goal of the default policy."""
KNOWN_AFTER_S = 30 * DAY_S
KNOWN_AFTER_EVENTS = 12
"""A number's rate is known after so long, or from so many events."""


@dataclass(frozen=True)
class RingSize:
    """One K: what it takes, and for how many numbers it is enough."""

    ring_entries: int
    bytes_a_number: int
    enough: Share
    """Of the numbers whose rate is known, those whose ring is not full at their minimum age."""


def bytes_a_number(ring_entries: int) -> int:
    """What a number takes in the table: record, spans, index; not its callers."""
    sizes = [Segment.bytes_needed(numbers, ring_entries) for numbers in (1, 10**7 + 1)]
    return round((sizes[1] - sizes[0]) / 10**7)


def ring_sizes(history: History, policies: Sequence[Policy]) -> list[RingSize]:
    """All K, ascending, for the policy that asks for most.

    For histories without true classes: there events of `Truth.was` 0 are those of robots, which
    take no slot.
    """
    numbers = history.numbers
    since = np.maximum(numbers.quarantined_at, numbers.observed_since).astype(np.int64)
    events = np.zeros(since.size, np.int64)
    for day in history.days():
        truth = day.truth
        taken = (truth.was != 0) & (truth.occurred_at >= since[truth.place])
        events += np.bincount(truth.place[taken], minlength=events.size)
    observed_s = np.maximum(1, history.ends_at - since)
    known = (observed_s >= KNOWN_AFTER_S) | (events >= KNOWN_AFTER_EVENTS)
    expected = (events / observed_s)[known] * max(map(_kept_s, policies))
    return [
        RingSize(
            ring_entries,
            bytes_a_number(ring_entries),
            Share(int(np.count_nonzero(expected < ring_entries)), expected.size),
        )
        for ring_entries in RING_ENTRIES
    ]


def recommended(sizes: Sequence[RingSize]) -> RingSize | None:
    """The smallest that is enough, or else the largest; None while no rate is known."""
    if not sizes[0].enough.of:
        return None
    enough = [size for size in sizes if (size.enough.share or 0.0) >= ENOUGH]
    return enough[0] if enough else sizes[-1]


def _kept_s(policy: Policy) -> int:
    """For how long events must be kept that a number can be released at its minimum age."""
    reach_s = max(rule.window_s for rule in policy.rules) + policy.quiet_period_s
    return min(policy.minimum_age_s or reach_s, reach_s)
