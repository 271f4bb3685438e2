"""What the engine answers: plain records of Python values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ringfence.engine.words import DisconnectReason, EventKind, State, Verdict

if TYPE_CHECKING:
    pass


class Unsettled(Exception):
    """A header kept changing under a query (a keeper died in mid-change); ask again later."""


@dataclass(frozen=True, slots=True)
class Inserted:
    """What became of a batch: accepted + untracked + rejected = events."""

    accepted: int
    """With duplicates and resends."""
    untracked: int
    rejected: int
    rejections: list[tuple[int, str]]
    """The first 10 rejected: index in the batch, and a text with field, value and bound."""
    taken: bytes = b""
    """Of a decoded batch: what the journal keeps, 16 bytes for each accepted event, its number and
    its entry (u64, little-endian; bit 7 of the entry: the caller was spray, it took no slot)."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """A rule of the number's policy, by its index in the policy, at the time asked about."""

    value: int
    broken: bool
    saturated: bool


@dataclass(frozen=True, slots=True)
class RecentEvent:
    """One event of the ring; callers are told apart by a tag, never named."""

    occurred_at: int
    """Unix seconds."""
    kind: EventKind
    caller_tag: int
    """1, 2, 3 ... in this answer, newest caller first; 0 = withheld."""
    spray: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything the engine knows of one number at one time. Times are unix seconds."""

    number: int
    verdict: Verdict
    clean_at: int
    """0 unless the verdict is CLEAN, AGING, NOISY or UNOBSERVED."""
    expected_at: int
    """The first time from the one asked about on at which it would be CLEAN if it stays silent and
    is listened to from now on; 0 where clean_at is."""
    state: State
    pool: int
    """Index of the pool in `read_pools`."""
    reason: DisconnectReason
    quarantined_at: int
    observed_since: int
    override_at: int
    """0 = none was ever given."""
    overridden: bool
    """An override is in force at the time asked about."""
    last_event_at: int
    """Newest entry that counts, not later than the time asked about; 0 = none."""
    events_total: int
    rules: list[RuleResult]
    coverage: float
    """Share of the interval that the policy asks about which was covered; 1 when it is empty."""
    overdue: bool
    recent: list[RecentEvent]
    """Newest first; only entries from quarantined_at to the time asked about."""


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of one number's header that commands set. Times are unix seconds."""

    state: State
    pool: int
    """Index of the pool in `read_pools`."""
    quarantined_at: int
    observed_since: int
    reason: int
    since: int
    """The lease end of a RESERVED number, else when its state began."""
    override_at: int


@dataclass(frozen=True, slots=True)
class WorkerCounters:
    """What one worker counted since the segment was made."""

    batches: int
    accepted: int
    untracked: int
    rejected: int
    journalled: int
    """Position of the newest durable value of its journal."""
    spray: int
    """Of the accepted ones: by spray callers."""
