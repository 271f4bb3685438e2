"""How many numbers of each pool have each verdict: counted beside the event loop, in one sweep."""

import asyncio
import time
from collections.abc import Callable

from ringfence.engine.verdict.scan import TableScan
from ringfence.engine.verdict.sweep_sums import SweepSums

KEPT_S = 1.0


class PoolCounts:
    """The newest count; a new one is made when it is asked for and the last is old enough."""

    def __init__(self, scan: TableScan, now: Callable[[], int]) -> None:
        self._scan = scan
        self._now = now
        self._one_at_a_time = asyncio.Lock()
        self._fresh_until = 0.0
        self._counted: tuple[int, SweepSums] | None = None

    async def latest(self) -> tuple[int, SweepSums]:
        """The time of the count, in unix seconds, and the count."""
        async with self._one_at_a_time:
            if self._counted is None or time.monotonic() >= self._fresh_until:
                now = self._now()
                self._counted = now, await asyncio.to_thread(self._scan.count, now=now)
                self._fresh_until = time.monotonic() + KEPT_S
            return self._counted
