"""Inserting events into a table: no lock, no allocation per event, no Python object."""

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from ringfence.engine.answers import Inserted
from ringfence.engine.events.wire import EventDecoder
from ringfence.engine.memory.segment import Segment

@disjoint_base
class EventInserter:
    """What one process inserts, and counts, in a segment; for one thread at a time.

    `caller_key` (16 bytes) keys the caller marks: the same key must be used for the life of a
    segment; without one only `repeat` inserts. `worker` says whose counters to count on. Times are
    unix seconds.
    """

    def __new__(
        cls, segment: Segment, *, caller_key: bytes | None = None, worker: int = 0
    ) -> EventInserter: ...
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
        Raises ValueError for unequal lengths and without a caller key.
        """
    def insert_decoded(self, batch: EventDecoder, *, now: int) -> Inserted:
        """Inserts the events that the decoder holds, by the same rules, and drops them there."""
    def repeat(self, taken: bytes) -> int:
        """Inserts once more what `Inserted.taken` says, by the decisions of then, into numbers that
        are tracked now; returns how many. Raises ValueError for a length that is not whole.
        """
    def set_journalled(self, position: int) -> None:
        """Publishes the position of this worker's newest durable value."""
