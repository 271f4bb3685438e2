"""The scanner: sweeps the table over and over, in a thread beside the keeper's event loop.

The thread evaluates, without the GIL; everything that others see is done on the loop, between two
steps: the clock is read there, what a step found is settled there, and a listener hears of it
there. The thread waits for that, so a busy loop slows the sweep and not the other way round. Its
priority is that of the loop's thread: one with less would keep the loop waiting when it loses its
core while it holds the GIL.

A turn of the loop is short: what a sweep has found is sorted in the thread and taken over a pool at
a time, changes some thousands at a time.

Thread safety: all methods are for the loop. The thread shares with it only what `_on_loop` carries
over, the bytes of `SeenVerdicts`, which it reads, and whether somebody waits for a sweep.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ringfence.engine.events.spray import drop_silent
from ringfence.engine.memory.segment import Segment
from ringfence.engine.prefix import Prefix
from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.verdict.question_scan import QuestionScan
from ringfence.engine.verdict.scan import TableScan
from ringfence.engine.verdict.sweep_sums import SweepSums
from ringfence.server.keeper.queue.asked_sweeps import AskedSweeps
from ringfence.server.keeper.queue.candidate_queue import DEPTH, CleanNumbers
from ringfence.server.keeper.queue.candidate_run import Numbers
from ringfence.server.keeper.queue.scan_result import (
    PoolGatherings,
    PoolSweep,
    Scan,
    finished_scan,
)
from ringfence.server.keeper.queue.seen_verdicts import SeenVerdicts
from ringfence.server.link.heap import give_back_freed

RECORDS_A_STEP = 1 << 17
RECORDS_A_STEP_ASKED = 1 << 19  # somebody waits for it, and nothing of it happens on the loop
CHANGES_A_STEP = 1 << 15
CHANGES_A_TURN = 1 << 13  # of the loop
ASKED_DEPTHS = 4
"""As many times what a queue holds are found for who waits: while the sweep goes on bulk commands
may take the oldest ones, each as many as a queue holds."""
PAUSE_S = 0.001  # between two steps

T = TypeVar("T")

_OVER = object()
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

    def sweep_ended(self, scan: Scan) -> Iterator[None]:
        """The sweep is whole: the steps in which it is taken over, each in a turn of the loop."""

    def asked_sweep_began(self, questions: Sequence[Question]) -> None:
        """A sweep that was asked for is about to begin."""

    def asked_sweep_ended(self, found: Mapping[Question, PoolSweep]) -> Iterator[None]:
        """It has found this: all that was asked, or nothing when it was given up. The steps in
        which it is taken over; those who wait for it hear of it afterwards.
        """


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
        self._wake = threading.Event()
        self._asked = AskedSweeps(self._wake.set)
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
        self._asked.stop(ScannerStopped("the scanner has stopped"))

    async def sweep(self, pool: int, prefix: str = "") -> PoolSweep:
        """A sweep of one pool, by its index, that begins after the call; it is shared with all who
        wait for one.

        With a prefix, of its numbers that begin with these digits. Raises ValueError for a prefix
        that is none, a refusal when too many wait, ScannerStopped, and what made the sweep fail.
        """
        Prefix(prefix)
        if self._stopping or self._loop is None:
            raise ScannerStopped("the scanner does not run")
        return await self._asked.ask(Question(pool, prefix))

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

    def _settle(self, changes: npt.NDArray[np.void], at: int) -> None:
        """Settles some of the changes of a step."""
        fresh = changes["previous"] == 0
        self._seen.settle(changes[fresh])
        if not fresh.all():
            self._listener.verdicts_changed(changes[~fresh], at)

    def _begin_step(self) -> int:
        """All of the step before is settled; the next begins at the time that is returned."""
        self._seen.begin_step()
        return self._now()

    def _end(self, scan: Scan) -> Iterator[None]:
        self._seen.end_step()
        self.newest = scan
        yield from self._listener.sweep_ended(scan)

    def _begin_asked(self) -> tuple[list[Question], int]:
        questions = self._asked.begin()
        self._listener.asked_sweep_began(questions)
        return questions, self._now()

    def _end_asked(self, found: Mapping[Question, PoolSweep]) -> Iterator[None]:
        yield from self._listener.asked_sweep_ended(found)
        self._asked.end(found)

    def _fail_asked(self, error: Exception) -> Iterator[None]:
        self._asked.fail(error)
        yield from self._listener.asked_sweep_ended({})

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

    def _in_turns(self, steps: Iterator[None]) -> None:
        """Has the loop do these steps, each in a turn of its own."""
        while self._on_loop(next, steps, _OVER) is not _OVER:
            pass

    def _work(self) -> None:
        whole: Iterator[None] | None = None
        asked: Iterator[None] | None = None
        due = time.monotonic()
        while not self._stopping:
            if whole is None and time.monotonic() >= due:
                due = time.monotonic() + self._period_s
                whole = self._sweep_all()
            if asked is None and self._asked.asked:
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
                for begin in range(0, step.changes.size, CHANGES_A_TURN):
                    part = step.changes[begin : begin + CHANGES_A_TURN]
                    self._on_loop(self._settle, part, now)
                now = self._on_loop(self._begin_step)
                gatherings.add(step.clean)
                at = step.end
                yield
            clean = {}
            for pool, found in gatherings.found():
                clean[pool] = found
                yield
            before = self.newest  # what nobody needs any more is let go of here, not on the loop
            self._in_turns(self._end(finished_scan(began_at, sums, clean)))
            del before
            drop_silent(self._segment)
        except Exception:
            self._on_loop(self._seen.end_step)
            raise

    def _sweep_asked(self) -> Iterator[None]:
        try:
            questions, now = self._on_loop(self._begin_asked)
            found = yield from self._answers(questions, now)
            self._in_turns(self._end_asked(found))
        except Exception as error:
            self._in_turns(self._fail_asked(error))
            raise

    def _answers(
        self, questions: Sequence[Question], now: int
    ) -> Generator[None, None, Mapping[Question, PoolSweep]]:
        if not questions:
            return {}
        scan = QuestionScan(self._segment, questions)
        brief = {index for index, question in enumerate(questions) if question.prefix}
        gatherings = PoolGatherings(ASKED_DEPTHS * self._depth, brief=brief)
        at = 0
        while at < self._segment.numbers:
            if self._asked.given_up:
                return {}
            step = scan.step(at, now=now, records_max=RECORDS_A_STEP_ASKED)
            gatherings.add(step.clean)
            at = step.end
            yield
        clean = {}
        for index, clean_numbers in gatherings.found():
            clean[index] = clean_numbers
            yield
        return {
            question: PoolSweep(
                now, clean.get(index, CleanNumbers()), int(scan.next_clean_at[index])
            )
            for index, question in enumerate(questions)
        }


def _advanced(sweep: Iterator[None]) -> Iterator[None] | None:
    """The sweep one step on; None when it is over."""
    try:
        next(sweep)
    except StopIteration:
        give_back_freed()  # here, not on the loop
        return None
    except Exception as error:
        _log.error("sweep given up: %s: %s", type(error).__name__, error)
        return None
    return sweep
