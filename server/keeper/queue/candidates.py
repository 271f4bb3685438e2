"""Candidates for reservations: the queues of all pools, fed by the scanner and by commands.

They are only candidates. Whether one is clean is asked again when it is taken.
"""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ringfence.engine.table.header_rows import Numbers, key_numbers, numbers_of, pools_of, states_of
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import State, Verdict
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.journal.keeper_values import headers_of
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.keeper.queue.candidate_queue import CandidateQueue, CleanNumbers
from ringfence.server.keeper.queue.scan_result import PoolSweep, Scan
from ringfence.server.keeper.queue.scanner import Scanner
from ringfence.server.state.keeper_state import KeeperState
from ringfence.v1 import number_service_pb2

SWEEPS_MAX = 64  # with a prefix, remembered until the next scan
CHANGES_MAX = 8_192  # in one value of the journal

Changes = npt.NDArray[np.void]
_Candidates = tuple[npt.NDArray[np.uint32], Numbers]


class OrderedSweep(NamedTuple):
    """A look through the whole table for the candidates of one pool."""

    order: int
    """Of the queues when it began: it says nothing of those in another order."""
    sweep: PoolSweep


class Candidates:
    """The queues, and what the scanner tells the keeper; everything on the keeper's loop."""

    def __init__(
        self, verdicts: VerdictReader, state: KeeperState, log: CommandLog, *, scan_period_s: float
    ) -> None:
        self._verdicts = verdicts
        self._state = state
        self._log = log
        self._queues: dict[int, CandidateQueue] = {}
        self._marks: dict[int, int] = {}
        self._order = 0  # of the queues; another one after each change of a setting
        self._scan_order = 0
        self._sweeps: OrderedDict[tuple[int, str], PoolSweep] = OrderedDict()
        self.scanner = Scanner(verdicts.segment, self, now=log.now, period_s=scan_period_s)

    def oldest_clean(self, pool: int, count: int, prefix: str, now: int) -> Numbers:
        """Up to `count` numbers that are clean now and wait for no command, oldest first."""
        taken = np.empty(0, np.uint64)
        after = (0, 0)
        while len(taken) < count:
            clean_at, numbers = self._oldest(pool, count - len(taken), prefix, after)
            if not len(numbers):
                break
            after = int(clean_at[-1]), int(numbers[-1])
            touched = self._state.pending.touched(numbers)
            headers = self._state.writer.header_rows(numbers)
            verdicts, clean_now_at = self._verdicts.check(numbers, now=now)
            good = (
                (states_of(headers) == State.QUARANTINED)
                & (pools_of(headers) == pool)
                & (verdicts == Verdict.CLEAN)
            )
            moved = good & ~touched & (clean_now_at != clean_at)  # clean again, or since longer
            taken = np.concatenate([taken, numbers[good & ~touched & ~moved]])
            self._queue(pool).discard(numbers[~good & ~touched])
            if moved.any():
                self._queue(pool).put(clean_now_at[moved], numbers[moved])
        return taken

    async def look(self, pool: int, prefix: str) -> OrderedSweep:
        """Looks through the whole table, beginning now, for the oldest ones of a pool."""
        order, queue = self._order, self._queue(pool)
        mark = queue.mark()
        try:
            sweep = await self.scanner.sweep(pool, prefix)
        except BaseException:
            queue.forget(mark)
            raise
        if order != self._order:  # of no use any more
            return OrderedSweep(order, sweep)
        if prefix:
            queue.forget(mark)
            self._sweeps[pool, prefix] = sweep
            self._sweeps.move_to_end((pool, prefix))
            if len(self._sweeps) > SWEEPS_MAX:
                self._sweeps.popitem(last=False)
        else:
            queue.replace(sweep.clean, mark)
        return OrderedSweep(order, sweep)

    def is_all(self, look: OrderedSweep) -> bool:
        """Whether there are no other candidates than those that a look has found, or commands have
        freed since.
        """
        clean = look.sweep.clean
        return look.order == self._order and clean.count == clean.oldest.size

    def position(self, number: int) -> int:
        """The place of a number in its queue, 1 = next; 0 = it has none."""
        headers = self._state.writer.header_rows(np.array([number], np.uint64))
        queue = self._queues.get(int(pools_of(headers)[0]))
        verdicts, clean_at = self._verdicts.check(numbers_of(headers), now=self._log.now())
        if queue is None or not headers["key"][0] or verdicts[0] != Verdict.CLEAN:
            return 0
        return queue.position(number, int(clean_at[0]))

    def applied(self, value: KeeperValue) -> None:
        """A command holds: the scanner need not find out, and what it freed can be taken."""
        if value.policies or value.pools:  # another order, perhaps: only a sweep knows
            self._queues.clear()
            self._marks.clear()
            self._sweeps.clear()
            self._order += 1
        headers = headers_of(value)
        if not len(headers):
            return
        numbers, pools = numbers_of(headers), pools_of(headers)
        current = np.frombuffer(value.current, np.uint8)
        self.scanner.touched(numbers, current)
        clean = current == Verdict.CLEAN
        for pool in np.unique(pools[clean]).tolist():
            freed = numbers[clean & (pools == pool)]
            clean_at = self._verdicts.check(freed, now=value.decided_at)[1]
            self._queue(pool).put(clean_at, freed)
        for pool in np.unique(pools[~clean]).tolist():
            if pool in self._queues:
                self._queues[pool].discard(numbers[~clean & (pools == pool)])

    def sweep_began(self) -> None:
        """The scanner begins another look at the whole table."""
        self._forget_marks()
        self._marks = {pool: queue.mark() for pool, queue in self._queues.items()}
        self._scan_order = self._order

    def verdicts_changed(self, changes: Changes, _: int) -> None:
        """Journals what time and events have changed, for history and watchers.

        Not the end of a lease, nor what a command is about to change: they tell of themselves.
        What cannot be journalled now is found again by the next sweep.
        """
        if self._log.held_up:
            return
        waits = self._state.pending.touched(key_numbers(changes["key"]))
        changes = self.scanner.settle(changes[~waits & (changes["previous"] != Verdict.RESERVED)])
        for begin in range(0, len(changes), CHANGES_MAX):
            part = changes[begin : begin + CHANGES_MAX]
            value = KeeperValue(
                keys=part["key"].tolist(),
                previous=part["previous"].tobytes(),
                current=part["current"].tobytes(),
            )
            self._log.begin(value, lambda _: number_service_pb2.WatchNumbersResponse())

    def sweep_ended(self, scan: Scan) -> None:
        """The scanner has looked at the whole table."""
        if self._scan_order != self._order:
            return
        self._sweeps.clear()
        for pool, placed in enumerate(self._state.published.pools):
            if placed is not None:
                queue = self._queue(pool)
                queue.replace(scan.clean_numbers(pool), self._marks.pop(pool))
        self._forget_marks()

    def _forget_marks(self) -> None:
        for pool, mark in self._marks.items():
            self._queues[pool].forget(mark)
        self._marks.clear()

    def _queue(self, pool: int) -> CandidateQueue:
        queue = self._queues.get(pool)
        if queue is None:
            queue = self._queues[pool] = CandidateQueue()
            self._marks[pool] = queue.mark()  # for a scan that may be under way
        return queue

    def _oldest(self, pool: int, count: int, prefix: str, after: tuple[int, int]) -> _Candidates:
        """The next candidates of the queue and, with a prefix, of the sweep that looked for it."""
        found = self._queue(pool).oldest(count, prefix, after=after)
        sweep = self._sweeps.get((pool, prefix)) if prefix else None
        if sweep is None:
            return found
        return _merged(found, sweep.clean, count, after)


def _merged(
    queued: _Candidates, swept: CleanNumbers, count: int, after: tuple[int, int]
) -> _Candidates:
    """The oldest of both, each number once: at its place in the queue if it is there."""
    clean_at = np.concatenate([queued[0], swept.oldest_at])
    numbers = np.concatenate([queued[1], swept.oldest])
    first = np.unique(numbers, return_index=True)[1]
    clean_at, numbers = clean_at[first], numbers[first]
    later = (clean_at > after[0]) | ((clean_at == after[0]) & (numbers > after[1]))
    clean_at, numbers = clean_at[later], numbers[later]
    order = np.lexsort((numbers, clean_at))[:count]
    return clean_at[order], numbers[order]
