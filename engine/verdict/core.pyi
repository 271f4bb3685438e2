"""The data plane: insert, look up, evaluate. No lock, no allocation per event, no Python object."""

from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from ringfence.engine.answers import Explanation as Explanation
from ringfence.engine.answers import Inserted as Inserted
from ringfence.engine.answers import RecentEvent as RecentEvent
from ringfence.engine.answers import RuleResult as RuleResult
from ringfence.engine.answers import Unsettled as Unsettled
from ringfence.engine.events.wire import EventDecoder
from ringfence.engine.memory.segment import Segment

NUMBER_MASK: int
"""The bits of a record's key that are the number; the pool is above them."""

@disjoint_base
class Engine:
    """The data plane of one process over a segment, for one thread at a time.

    `caller_key` (16 bytes) keys the caller marks: the same key must be used for the life of a
    segment, and only the engines that insert need it. `worker` says whose counters to count on.
    Times are unix seconds; `at` 0 means `now`.
    """

    def __new__(
        cls, segment: Segment, *, caller_key: bytes | None = None, worker: int = 0
    ) -> Engine: ...
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
        """Inserts the events that the decoder holds, by the same rules, and drops them there."""
    def repeat(self, taken: bytes) -> int:
        """Inserts once more what `Inserted.taken` says, by the decisions of then, into numbers that
        are tracked now; returns how many. Raises ValueError for a length that is not whole.
        """
    def set_journalled(self, position: int) -> None:
        """Publishes the position of this worker's newest durable value."""
    def check(
        self, numbers: npt.NDArray[np.uint64], *, now: int, at: int = 0
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Verdicts and clean_at (0 = does not apply) of `numbers`, in their order.

        Raises Unsettled, and ValueError naming the first impossible number.
        """
    def check_as(
        self, headers: npt.NDArray[np.void], *, now: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Verdicts and clean_at of numbers as if their headers were these (dtype HEADER).

        Their rings are those of the table. Raises Unsettled for a pool that is not published.
        """
    def explain(self, number: int, *, now: int, at: int = 0) -> Explanation | None:
        """Everything known of a number; None when it is not in the table. Raises Unsettled."""
    def select(
        self,
        first: int,
        *,
        now: int,
        numbers_max: int,
        records_max: int,
        pool: int = -1,
        verdicts: int = 0,
        overdue_only: bool = False,
        prefix: str = "",
    ) -> tuple[npt.NDArray[np.uint64], int]:
        """Numbers that match, in the order in which they first came into the table, and the
        record to go on from; segment.numbers or more = done.

        Looks at no more than `records_max` records, returns no more than `numbers_max` numbers.
        `verdicts` has bit v set for each verdict v wanted (0 = all but UNTRACKED); FREE numbers
        never match. The GIL is released. Numbers whose header never settles are left out.
        """
    def records(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """The records as a read-only structured array of length segment.numbers; see `record.h`.

        Fields: key, control, quarantined_at, override_at, events_total, origin, entries (K).
        It is live memory: fields change while one looks.
        """
    def digest(self) -> bytes:
        """SHA-256 over every tracked number and its sorted entries that count: the state hash."""
