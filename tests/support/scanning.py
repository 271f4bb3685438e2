"""A scanner that sweeps a small table for a listener that takes down what it is told."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory.layout import NUMBER_MASK
from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.words import Verdict
from ringfence.server.keeper.queue.scan_result import PoolSweep, Scan
from ringfence.server.keeper.queue.scanner import Scanner
from support.small_table import START, SmallTable

Changes = npt.NDArray[np.void]
Told = tuple[int, Verdict, Verdict]
"""A number, its verdict before and after."""

LONG_S = 1000.0  # a period that no test waits for
TIMEOUT_S = 20.0


def told(changes: Changes) -> list[Told]:
    """Rows of CHANGE as a person reads them."""
    return [
        (int(row["key"]) & NUMBER_MASK, Verdict(row["previous"]), Verdict(row["current"]))
        for row in changes
    ]


def an_array(*numbers: int) -> npt.NDArray[np.uint64]:
    return np.array(numbers, np.uint64)


class Listener:
    """Takes every change that it is told of, unless it was told not to."""

    def __init__(self) -> None:
        self.scanner: Scanner
        self.began = 0
        self.scans: list[Scan] = []
        self.changes: list[Told] = []
        self.left: list[Told] = []
        self.leaves = False
        self.on_begin: Callable[[], object] = lambda: None
        self.asked: list[list[Question]] = []
        """What each sweep that was asked for was to answer."""
        self.answered: list[set[Question]] = []
        self._asked_began = asyncio.Event()
        self._ended = asyncio.Event()

    def sweep_began(self) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.began += 1
        self.on_begin()

    def verdicts_changed(self, changes: Changes, at: int) -> None:
        if self.leaves:
            self.left += told(changes)
        else:
            self.changes += told(self.scanner.settle(changes))

    def sweep_ended(self, scan: Scan) -> Iterator[None]:
        self.scans.append(scan)
        self._ended.set()
        yield

    def asked_sweep_began(self, questions: Sequence[Question]) -> None:
        self.asked.append(list(questions))
        self._asked_began.set()

    def asked_sweep_ended(self, found: Mapping[Question, PoolSweep]) -> Iterator[None]:
        self.answered.append(set(found))
        yield

    async def asked_sweeps_begun(self, sweeps: int) -> None:
        """Waits until so many that were asked for have begun."""
        while len(self.asked) < sweeps:
            self._asked_began.clear()
            await self._asked_began.wait()

    async def next_scan(self) -> Scan:
        """A scan that begins later than now."""
        for _ in range(2):  # one may be under way
            self._ended.clear()
            await self._ended.wait()
        return self.scans[-1]


Act = Callable[[Scanner, Listener], Awaitable[None]]


def scanning(
    table: SmallTable, act: Act, *, period_s: float = 0.001, listening: type[Listener] = Listener
) -> Listener:
    """Lets a scanner run while something is done."""

    async def run() -> Listener:
        listener = listening()
        listener.scanner = Scanner(
            table.segment, listener, now=lambda: START + 1000, period_s=period_s, depth=5
        )
        listener.scanner.start()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await act(listener.scanner, listener)
        finally:
            await listener.scanner.stop()
        return listener

    return asyncio.run(run())
