"""Candidates for reservations: the queues of all pools, fed by the scanner and by commands.

They are only candidates. Whether one is clean is asked again when it is taken.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ringfence.engine.settings.policy import Policy
from ringfence.engine.table.header_rows import (
    Mask,
    Numbers,
    key_numbers,
    numbers_of,
    pools_of,
    states_of,
)
from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import State, Verdict
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.keeper.queue.candidate_queue import CandidateQueue
from ringfence.server.keeper.queue.candidate_run import in_queue_order, places_upto
from ringfence.server.keeper.queue.scan_result import PoolSweep, Scan
from ringfence.server.keeper.queue.scanner import Scanner
from ringfence.server.state.keeper_state import AppliedSlice, KeeperState
from ringfence.server.state.settings_book import SettingsBook
from ringfence.v1 import number_service_pb2

SWEEPS_MAX = 64  # with a prefix, remembered until the next scan
CHANGES_MAX = 8_192  # in one value of the journal

Changes = npt.NDArray[np.void]
_Candidates = tuple[npt.NDArray[np.uint32], Numbers]
_Rules = tuple[Policy, frozenset[str]]
"""What decides of a pool's numbers: its policy, and the feeds that it requires."""


class Candidates:
    """The queues, and what the scanner tells the keeper; everything on the keeper's loop."""

    def __init__(
        self, verdicts: VerdictReader, state: KeeperState, log: CommandLog, *, scan_period_s: float
    ) -> None:
        self._verdicts = verdicts
        self._state = state
        self._log = log
        self._queues: dict[int, CandidateQueue] = {}
        self._marks: dict[int, int] = {}  # for the scan under way
        self._asked_marks: dict[int, int] = {}  # for the sweep under way that was asked for
        self._sweeps: OrderedDict[Question, PoolSweep] = OrderedDict()
        self._rules = _rules_by_pool(state.published)
        self._stale: set[int] = set()  # pools that had other rules when they were swept
        self._stale_in_scan: set[int] = set()  # that had other rules when that began
        self._stale_in_asked: set[int] = set()
        self.scanner = Scanner(verdicts.segment, self, now=log.now, period_s=scan_period_s)

    def oldest_clean(
        self, pool: int, count: int, prefix: str, now: int, look: PoolSweep | None = None
    ) -> Numbers:
        """Up to `count` numbers that are clean now and wait for no command, oldest first; those
        that a look has found are among the candidates.
        """
        known = self._sweeps.get(Question(pool, prefix))
        if look is None or prefix or pool in self._stale:
            return self._oldest_clean(pool, count, prefix, now, look or known)
        # The queue has what the look has found, less what was taken since: not all of it.
        numbers = self._oldest_clean(pool, count, prefix, now, known)
        if len(numbers) == count:
            return numbers
        return self._oldest_clean(pool, count, prefix, now, look)

    def _oldest_clean(
        self, pool: int, count: int, prefix: str, now: int, swept: PoolSweep | None
    ) -> Numbers:
        taken = moved = (np.empty(0, np.uint32), np.empty(0, np.uint64))
        after = (0, 0)
        passed_over = 0
        while len(taken[1]) < count:
            # Twice as many each time: a bulk command may have taken all in front.
            wanted = max(count - len(taken[1]), 2 * passed_over)
            clean_at, numbers = self._oldest(pool, wanted, prefix, after, swept)
            if not len(numbers):
                return _with_moved(taken, moved, count)
            after = int(clean_at[-1]), int(numbers[-1])
            passed_over = len(numbers)
            untouched = ~self._state.pending.touched(numbers)
            clean_at, numbers = clean_at[untouched], numbers[untouched]
            headers = self._state.writer.header_rows(numbers)
            verdicts, clean_now_at = self._verdicts.check(numbers, now=now)
            good = (
                (states_of(headers) == State.QUARANTINED)
                & (pools_of(headers) == pool)
                & (verdicts == Verdict.CLEAN)
            )
            in_place = clean_now_at == clean_at  # or clean again, or since longer
            taken = _joined(taken, clean_at, numbers, good & in_place)
            self._queue(pool).discard(numbers[~good])
            elsewhere = good & ~in_place
            if elsewhere.any():
                moved = _joined(moved, clean_now_at, numbers, elsewhere)
                self._queue(pool).put(clean_now_at[elsewhere], numbers[elsewhere])
        return taken[1][:count]

    async def look(self, pool: int, prefix: str) -> PoolSweep:
        """Looks through the whole table, beginning later than now, for the oldest ones of a pool;
        raises a refusal when too many wait for that.
        """
        return await self.scanner.sweep(pool, prefix)

    def in_order(self, pool: int, prefix: str) -> bool:
        """Whether the candidates were found under the rules that the pool has now: under others
        there may be older ones.
        """
        return pool not in self._stale or Question(pool, prefix) in self._sweeps

    def position(self, number: int) -> int:
        """The place of a number in its queue, 1 = next; 0 = it has none."""
        headers = self._state.writer.header_rows(np.array([number], np.uint64))
        pool = int(pools_of(headers)[0])
        queue = self._queues.get(pool)
        verdicts, clean_at = self._verdicts.check(numbers_of(headers), now=self._log.now())
        if queue is None or not headers["key"][0] or verdicts[0] != Verdict.CLEAN:
            return 0
        if pool in self._stale:
            return 0
        return queue.position(number, int(clean_at[0]))

    def applied(self, value: KeeperValue, part: AppliedSlice) -> None:
        """A command holds, of its headers these: the scanner need not find out, and what it freed
        can be taken.
        """
        if value.policies or value.pools:
            self._follow_rules()
        if not len(part.headers):
            return
        numbers, pools = numbers_of(part.headers), pools_of(part.headers)
        current = np.frombuffer(value.current, np.uint8)[part.rows]
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
        self._stale_in_scan.clear()

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

    def sweep_ended(self, scan: Scan) -> Iterator[None]:
        """The scanner has looked at the whole table: a pool at a time takes over what it found.

        Between two pools commands come, and settings change: which pools there are, and which have
        other rules than when the scan began, is asked when it is their turn.
        """
        for pool in range(len(self._state.published.pools)):
            if self._state.published.pool(pool) is None or pool in self._stale_in_scan:
                continue
            queue = self._queue(pool)
            queue.replace(scan.clean_numbers(pool), self._marks.pop(pool))
            self._stale.discard(pool)
            yield
        self._forget_marks()
        for question in list(self._sweeps):
            if question.pool not in self._stale:
                del self._sweeps[question]

    def asked_sweep_began(self, questions: Sequence[Question]) -> None:
        """The scanner begins a look at the whole table for those who wait for it."""
        pools = [question.pool for question in questions if not question.prefix]
        self._asked_marks = {pool: self._queue(pool).mark() for pool in pools}
        self._stale_in_asked.clear()

    def asked_sweep_ended(self, found: Mapping[Question, PoolSweep]) -> Iterator[None]:
        """What was asked is known, or the look was given up: one question at a time."""
        for question, sweep in found.items():
            if question.pool in self._stale_in_asked:
                continue  # who waits for it gets it, nobody else
            if question.prefix:
                self._sweeps[question] = sweep
                self._sweeps.move_to_end(question)
            else:
                mark = self._asked_marks.pop(question.pool)
                self._queue(question.pool).replace(sweep.clean, mark)
                self._stale.discard(question.pool)
            yield
        while len(self._sweeps) > SWEEPS_MAX:
            self._sweeps.popitem(last=False)
        for pool, mark in self._asked_marks.items():
            self._queue(pool).forget(mark)
        self._asked_marks.clear()

    def _follow_rules(self) -> None:
        """Settings have changed: where these are other rules, only a sweep knows the order."""
        before, self._rules = self._rules, _rules_by_pool(self._state.published)
        changed = {
            pool
            for pool in before.keys() | self._rules.keys()
            if before.get(pool) != self._rules.get(pool)
        }
        for stale in (self._stale, self._stale_in_scan, self._stale_in_asked):
            stale.update(changed)
        for question in list(self._sweeps):
            if question.pool in changed:
                del self._sweeps[question]

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

    def _oldest(
        self,
        pool: int,
        count: int,
        prefix: str,
        after: tuple[int, int],
        swept: PoolSweep | None,
    ) -> _Candidates:
        """The next candidates of the queue and of the sweep that looked for them."""
        clean_at, numbers = self._queue(pool).oldest(count, prefix, after=after)
        if swept is None:
            return clean_at, numbers
        found = swept.clean
        begin = places_upto(found.oldest_at, found.oldest, after)
        clean_at = np.concatenate([clean_at, found.oldest_at[begin : begin + count]])
        numbers = np.concatenate([numbers, found.oldest[begin : begin + count]])
        once = np.unique(numbers, return_index=True)[1]  # at its place in the queue, if it has one
        return _ordered(clean_at[once], numbers[once], count)


def _ordered(clean_at: npt.NDArray[np.uint32], numbers: Numbers, count: int) -> _Candidates:
    order = in_queue_order(clean_at, numbers)[:count]
    return clean_at[order], numbers[order]


def _joined(
    some: _Candidates, clean_at: npt.NDArray[np.uint32], numbers: Numbers, which: Mask
) -> _Candidates:
    return np.concatenate([some[0], clean_at[which]]), np.concatenate([some[1], numbers[which]])


def _with_moved(taken: _Candidates, moved: _Candidates, count: int) -> Numbers:
    """Those that were taken in their place, and those that had moved to before where they were
    looked for.
    """
    passed = ~np.isin(moved[1], taken[1])
    once = np.unique(moved[1][passed], return_index=True)[1]
    clean_at = np.concatenate([taken[0], moved[0][passed][once]])
    return _ordered(clean_at, np.concatenate([taken[1], moved[1][passed][once]]), count)[1]


def _rules_by_pool(settings: SettingsBook) -> Mapping[int, _Rules]:
    """The rules of each pool, by its index."""
    policies = {
        policy.name: replace(policy, name="", description="", revision=0)
        for policy in settings.policies
        if policy
    }
    return {
        index: (policies[pool.policy], frozenset(pool.required_feeds))
        for index, pool in enumerate(settings.pools)
        if pool
    }
