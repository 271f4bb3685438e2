"""The one time of all processes: CLOCK_BOOTTIME, and what the keeper says was the time at 0 of it.

The wall clock is not asked: it may be wrong, and leap. CLOCK_BOOTTIME never does.
"""

import time
from collections.abc import Callable

from ringfence.engine.memory.segment import Segment, SegmentError


def boottime_ns() -> int:
    """How long the machine has been up, asleep or not."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class OneTime:
    """What time it is by a segment."""

    def __init__(self, segment: Segment, boottime_ns: Callable[[], int] = boottime_ns) -> None:
        self._segment = segment
        self._boottime_ns = boottime_ns

    @property
    def known(self) -> bool:
        """Whether the keeper has said it."""
        return self._segment.booted_at_ns != 0

    def __call__(self) -> int:
        """Unix seconds; raises SegmentError before the keeper has said it."""
        booted_at_ns = self._segment.booted_at_ns
        if not booted_at_ns:
            raise SegmentError("the keeper has not said yet what time it is")
        return (booted_at_ns + self._boottime_ns()) // 1_000_000_000
