"""The scanner: sweeps the table over and over, in a thread beside the keeper's event loop.

The thread evaluates, without the GIL; everything that others see is done on the loop, between two
steps: the clock is read there, what a step found is settled there, and a listener hears of it
there. The thread waits for that, so a busy loop slows the sweep and not the other way round. Its
priority is that of the loop's thread: one with less would keep the loop waiting when it loses its
core while it holds the GIL.

Thread safety: all methods are for the loop. The thread shares with it only what `_on_loop` carries
over, the bytes of `SeenVerdicts`, which it reads, and whether anything is asked for.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ringfence.engine.events.spray import drop_silent
from ringfence.engine.memory.segment import Segment
from ringfence.engine.prefix import Prefix
from ringfence.engine.verdict.scan import TableScan
from ringfence.engine.verdict.sweep_sums import SweepSums
from ringfence.server.keeper.queue.candidate_queue import DEPTH
from ringfence.server.keeper.queue.candidate_run import Numbers
from ringfence.server.keeper.queue.scan_result import (
    CleanGathering,
    PoolGatherings,
    PoolSweep,
    Scan,
    finished_scan,
)
from ringfence.server.keeper.queue.seen_verdicts import SeenVerdicts

RECORDS_A_STEP = 1 << 17
RECORDS_A_STEP_ASKED = 1 << 19  # somebody waits for it, and nothing of it happens on the loop
CHANGES_A_STEP = 1 << 15
PAUSE_S = 0.001  # between two steps

T = TypeVar("T")

_log = logging.getLogger(__name__)


class ScannerStopped(Exception):
    """The sweep will not come: the scanner has stopped."""


class ScanListener(Protocol):
    """Who hears of what sweeps find; called on the event loop."""

    def sweep_began(self) -> None:
        """A sweep of all pools is about to begin. One that began before and did not end was given
        up.
        """

    def verdicts_changed(self, changes: npt.NDArray[np.void], at: int) -> None:
        """A step found rows of CHANGE at a time. `Scanner.settle` must be called with those that
        the listener takes, before it returns; the others are found again by the next sweep.
        """

    def sweep_ended(self, scan: Scan) -> None:
        """The sweep is whole."""


class Scanner:
    """Sweeps of a segment for one listener."""

    def __init__(
        self,
        segment: Segment,
        listener: ScanListener,
        *,
        now: Callable[[], int],
        period_s: float = 10.0,
        depth: int = DEPTH,
    ) -> None:
        self._segment = segment
        self._listener = listener
        self._now = now
        self._period_s = period_s
        self._depth = depth
        self._scan = TableScan(segment)
        self._seen = SeenVerdicts(self._scan)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: dict[tuple[int, str], asyncio.Future[PoolSweep]] = {}
        self._under_way: asyncio.Future[PoolSweep] | None = None  # it has begun: not to be joined
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._ended: asyncio.Future[None] | None = None
        self.newest: Scan | None = None
        """The last whole sweep."""

    def start(self) -> None:
        """Begins to sweep, at once and then every period; on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, name="scanner", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Ends within a step; who waits for a sweep gets ScannerStopped."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None and self._ended is not None:
            await self._ended  # until then the thread may need the loop
            self._thread.join()
        for future in (*self._asked.values(), self._under_way):
            if future is not None and not future.done():
                future.set_exception(ScannerStopped("the scanner has stopped"))
                future.exception()  # nobody need be waiting any more
        self._asked.clear()

    async def sweep(self, pool: int, prefix: str = "") -> PoolSweep:
        """A sweep of one pool, by its index, that begins after the call; equal calls share one.

        With a prefix, of its numbers that begin with these digits. Raises ValueError for a prefix
        that is none, ScannerStopped, and what made the sweep fail.
        """
        Prefix(prefix)
        if self._stopping or self._loop is None:
            raise ScannerStopped("the scanner does not run")
        future = self._asked.get((pool, prefix))
        if future is None:
            future = self._asked[pool, prefix] = self._loop.create_future()
            self._wake.set()
        return await asyncio.shield(future)

    def settle(self, changes: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        """Takes over changes, within `verdicts_changed`; returns those that count: not what a
        command has touched since.
        """
        return self._seen.settle(changes)

    def touched(self, numbers: Numbers, verdicts: npt.NDArray[np.uint8] | int) -> None:
        """A command has changed these numbers, and these verdicts hold now: no sweep reports that
        again. Call it when their headers are in the table, before the loop does anything else.
        """
        self._seen.touch(numbers, verdicts)

    # --- on the loop, called by the thread ---

    def _begin(self) -> int:
        self._listener.sweep_began()
        self._seen.begin_step()
        return self._now()

    def _settle_step(self, changes: npt.NDArray[np.void], at: int) -> int:
        """Settles one step; the next begins at the time that is returned."""
        if changes.size:
            fresh = changes["previous"] == 0
            self._seen.settle(changes[fresh])
            if not fresh.all():
                self._listener.verdicts_changed(changes[~fresh], at)
        self._seen.begin_step()
        return self._now()

    def _end(self, scan: Scan) -> None:
        self._seen.end_step()
        self.newest = scan
        self._listener.sweep_ended(scan)

    def _begin_asked(self) -> tuple[int, str, int]:
        (pool, prefix), self._under_way = next(iter(self._asked.items()))
        del self._asked[pool, prefix]
        return pool, prefix, self._now()

    def _end_asked(self, found: PoolSweep | Exception) -> None:
        future, self._under_way = self._under_way, None
        assert future is not None
        if isinstance(found, PoolSweep):
            future.set_result(found)
        else:
            future.set_exception(found)
            future.exception()  # nobody need be waiting any more

    def _end_thread(self) -> None:
        assert self._ended is not None
        self._ended.set_result(None)

    # --- in the thread ---

    def _on_loop(self, act: Callable[..., T], *arguments: object) -> T:
        """What the loop answers."""
        assert self._loop is not None
        answer: Future[T] = Future()

        def call() -> None:
            try:
                answer.set_result(act(*arguments))
            except Exception as error:
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return answer.result()

    def _work(self) -> None:
        whole: Iterator[None] | None = None
        asked: Iterator[None] | None = None
        due = time.monotonic()
        while not self._stopping:
            if whole is None and time.monotonic() >= due:
                due = time.monotonic() + self._period_s
                whole = self._sweep_all()
            if asked is None and self._asked:
                asked = self._sweep_asked()
            if whole is None and asked is None:
                self._wake.wait(max(0.0, due - time.monotonic()))
                self._wake.clear()
                continue
            asked = asked and _advanced(asked)  # step by step, so that neither waits for the other
            whole = whole and _advanced(whole)
            time.sleep(PAUSE_S)
        self._on_loop(self._end_thread)

    def _sweep_all(self) -> Iterator[None]:
        try:
            began_at = now = self._on_loop(self._begin)
            sums, gatherings = SweepSums(), PoolGatherings(self._depth)
            at = 0
            while at < self._segment.numbers:
                step = self._scan.step(
                    at,
                    now=now,
                    records_max=RECORDS_A_STEP,
                    sums=sums,
                    seen=self._seen.verdicts,
                    changes_max=CHANGES_A_STEP,
                )
                now = self._on_loop(self._settle_step, step.changes, now)
                gatherings.add(step.clean)
                at = step.end
                yield
            self._on_loop(self._end, finished_scan(began_at, sums, gatherings.found()))
            drop_silent(self._segment)
        except Exception:
            self._on_loop(self._seen.end_step)
            raise

    def _sweep_asked(self) -> Iterator[None]:
        pool, prefix, now = self._on_loop(self._begin_asked)
        try:
            sums, gathering = SweepSums(), CleanGathering(self._depth)
            at = 0
            while at < self._segment.numbers:
                step = self._scan.step(
                    at,
                    now=now,
                    records_max=RECORDS_A_STEP_ASKED,
                    sums=sums,
                    pool=pool,
                    prefix=prefix,
                )
                gathering.add(step.clean)
                at = step.end
                yield
            found = PoolSweep(now, gathering.found(), int(sums.next_clean_at[pool]))
        except Exception as error:
            self._on_loop(self._end_asked, error)
            raise
        self._on_loop(self._end_asked, found)


def _advanced(sweep: Iterator[None]) -> Iterator[None] | None:
    """The sweep one step on; None when it is over."""
    try:
        next(sweep)
    except StopIteration:
        return None
    except Exception as error:
        _log.error("sweep given up: %s: %s", type(error).__name__, error)
        return None
    return sweep
