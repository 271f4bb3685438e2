"""The data plane: insert, look up, evaluate. No lock, no allocation per event, no Python object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ringfence.engine.segment import Segment
from ringfence.engine.wire import EventDecoder
from ringfence.engine.words import DisconnectReason, EventKind, State, Verdict

class Unsettled(Exception):
    """A header kept changing under a query (a keeper died in mid-change); ask again later."""

class Inserted:
    """What became of a batch: accepted + untracked + rejected = events."""

    accepted: int
    untracked: int
    rejected: int
    rejections: list[tuple[int, str]]
    """The first 10 rejected: index in the batch, and a text with field, value and bound."""

class RuleResult:
    """A rule of the number's policy, by position, at the time asked about."""

    value: int
    broken: bool
    saturated: bool

class RecentEvent:
    """One event of the ring; callers are told apart by a tag, never named."""

    occurred_at: int
    kind: EventKind
    caller_tag: int
    spray: bool

class Explanation:
    """Everything the engine knows of one number at one time."""

    number: int
    verdict: Verdict
    clean_at: int
    """Unix seconds; 0 unless the verdict is CLEAN, AGING, NOISY or UNOBSERVED."""
    state: State
    pool: int
    """Index of the pool; see Engine.pool()."""
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
    overdue: bool
    recent: list[RecentEvent]
    """Newest first; only entries that count and are not later than the time asked about."""

class Engine:
    """The data plane of one process over a segment.

    `caller_key` (16 bytes) keys the caller marks: the same key must be used for the life of a
    segment, and only the engines that insert need it. `worker` says whose counters to count on.
    Times are unix seconds; `at` 0 means `now`.
    """

    def __init__(
        self, segment: Segment, *, caller_key: bytes | None = None, worker: int = 0
    ) -> None: ...
    @property
    def segment(self) -> Segment: ...
    def insert(
        self,
        called: npt.NDArray[np.uint64],
        caller: npt.NDArray[np.uint64],
        occurred_at: npt.NDArray[np.uint32],
        kind: npt.NDArray[np.int32],
        *,
        now: int,
    ) -> Inserted:
        """Inserts events given as four arrays of one length (any length).

        A called number that is not E.164, an unknown kind, a time of 0 or > 300 s ahead of `now`
        is rejected, an event of a number that is not tracked is untracked; the rest is accepted.
        Raises ValueError for unequal lengths and for an engine without a caller key.
        """
    def insert_decoded(self, batch: EventDecoder, *, now: int) -> Inserted:
        """Inserts the events that the decoder holds, by the same rules."""
    def check(
        self, numbers: npt.NDArray[np.uint64], *, now: int, at: int = 0
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Verdicts and clean_at (0 = does not apply) of `numbers`, in their order.

        Raises Unsettled, and ValueError naming the first impossible number.
        """
    def explain(self, number: int, *, now: int, at: int = 0) -> Explanation | None:
        """Everything known of a number; None when it is not in the table. Raises Unsettled."""
    def select(
        self,
        first_slot: int,
        *,
        now: int,
        numbers_max: int,
        slots_max: int,
        pool: int = -1,
        verdicts: int = 0,
        overdue_only: bool = False,
        prefix: str = "",
    ) -> tuple[npt.NDArray[np.uint64], int]:
        """Numbers that match, in slot order, and the slot to go on from (segment.slots = done).

        Looks at no more than `slots_max` slots and returns no more than `numbers_max` numbers.
        `verdicts` has bit v set for each verdict v wanted (0 = all but UNTRACKED); FREE numbers
        never match. The GIL is released. Numbers whose header never settles are left out.
        """
    def count(self, *, now: int) -> Counts:
        """Counts every number of the table by pool and verdict; the GIL is released."""
    def records(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """The table as a read-only structured array of length segment.slots; see `record.h`.

        It is live memory: fields change while one looks. Rows with number 0 are empty.
        """
    def digest(self) -> bytes:
        """SHA-256 over every tracked number and its sorted entries that count: the state hash."""

class Counts:
    by_verdict: npt.NDArray[np.uint64]
    """(pools_max, 10): how many numbers of each pool have each verdict, by index."""
    overdue: npt.NDArray[np.uint64]
    """(pools_max,)"""
