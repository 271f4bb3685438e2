"""The queue of a pool: its clean numbers, by clean_at, oldest first, equal ones by number.

A sweep over the table fills it; between sweeps the keeper puts back what it frees and discards
what it takes. A sweep takes a while, so what is put and discarded after it began is remembered,
and done again to what it found.

Only the oldest `depth` that a sweep found are held. When there are more, a number that is put
behind the last of these is not held: what lies between them is unknown until the next sweep. Nor
is any number held before the first sweep: there may be older ones.
"""

from dataclasses import dataclass, field

import numpy as np

from ringfence.server.keeper.queue.candidate_run import (
    CandidateRun,
    Numbers,
    Places,
    Times,
    in_queue_order,
    last_of_each,
)

DEPTH = 65_536
NOTHING = (0, 0)  # comes before every candidate
PUT_MAX = 1024  # then they are merged with the others: rarely, as that takes milliseconds

TURN = np.dtype(
    [("number", np.uint64), ("clean_at", np.uint32), ("is_put", np.bool_), ("at", "<i8")]
)


@dataclass(frozen=True, slots=True)
class CleanNumbers:
    """The clean numbers of a pool as one sweep found them."""

    clean_at: Times = field(default_factory=lambda: np.empty(0, np.uint32))
    """Of all of them but those left out, ascending; unix seconds."""
    oldest_at: Times = field(default_factory=lambda: np.empty(0, np.uint32))
    """Of the oldest ones, in the order of the queue."""
    oldest: Numbers = field(default_factory=lambda: np.empty(0, np.uint64))
    """These numbers: as many as a queue holds, or all."""
    left_out: int = 0
    """How many younger ones there are besides."""
    by_number: Places | None = None
    """The places of the oldest ones in the order of their numbers: a queue that is given it need
    not sort."""

    @property
    def count(self) -> int:
        """How many numbers are clean."""
        return self.clean_at.size + self.left_out


class CandidateQueue:
    """Candidates, not promises: each is evaluated again before it is taken.

    For one thread. A number is never in it twice.
    """

    def __init__(self, depth: int = DEPTH) -> None:
        self._depth = depth
        self._swept = CandidateRun()
        self._put = CandidateRun()
        self._bound: tuple[int, int] | None = NOTHING  # what is behind it is not held
        self._all_clean_at: Times = np.empty(0, np.uint32)
        self._marks: set[int] = set()
        self._turns = bytearray()  # the last of each number since the oldest mark, and what came
        self._tidy_bytes = 0  # since these were all
        self._at = 0

    def __len__(self) -> int:
        return len(self._swept) + len(self._put)

    def oldest(
        self, count: int, prefix: str = "", *, after: tuple[int, int] = NOTHING
    ) -> tuple[Times, Numbers]:
        """clean_at and numbers of up to `count` candidates, in the order of the queue.

        It takes none out: what is not discarded stays. `after` is the clean_at and the number of
        the last one that was looked at. Raises ValueError for a prefix that is none.
        """
        clean_at, numbers = self._swept.oldest(count, prefix, after)
        put_at, put = self._put.oldest(count, prefix, after)
        if not put.size:
            return clean_at, numbers
        clean_at, numbers = np.concatenate([clean_at, put_at]), np.concatenate([numbers, put])
        order = in_queue_order(clean_at, numbers)[:count]
        return clean_at[order], numbers[order]

    def put(self, clean_at: Times, numbers: Numbers) -> None:
        """Numbers are clean since then; one that is held moves to its new place.

        Call it when their headers are in the table. Of a number that is named more than once, the
        last counts.
        """
        last = last_of_each(numbers)
        clean_at, numbers = clean_at[last], numbers[last]
        self._remember(numbers, clean_at, is_put=True)
        self._take_out(numbers)
        self._add(clean_at, numbers)

    def discard(self, numbers: Numbers) -> None:
        """Numbers are taken, or were found not to be clean; those that are not held do no harm."""
        self._remember(numbers, np.zeros(numbers.size, np.uint32), is_put=False)
        self._take_out(numbers)

    def position(self, number: int, clean_at: int) -> int:
        """The place of a clean number; 1 = next, 0 = there was no sweep yet.

        Exact for one that is held; else 1 + how many had a lesser clean_at in the last sweep.
        """
        if self._bound == NOTHING:
            return 0
        if self._swept.has(clean_at, number) or self._put.has(clean_at, number):
            before = self._swept.before(clean_at, number) + self._put.before(clean_at, number)
        else:
            before = int(np.searchsorted(self._all_clean_at, np.uint32(clean_at)))
        return 1 + before

    def mark(self) -> int:
        """A sweep is about to begin: from now on its result needs what is put and discarded."""
        self._at += 1
        self._marks.add(self._at)
        return self._at

    def forget(self, since: int) -> None:
        """The sweep that was to begin at this mark will not come."""
        self._marks.discard(since)
        self._tidy()

    def replace(self, found: CleanNumbers, since: int) -> None:
        """Holds what a sweep found that began after a mark, and what has changed since: of a sweep
        that found more than is held, the oldest that nobody has taken meanwhile.
        """
        self._tidy()
        turns = np.frombuffer(bytes(self._turns), TURN)
        turns = turns[turns["at"] >= since]
        self.forget(since)
        self._swept = CandidateRun(found.oldest_at, found.oldest, found.by_number)
        self._swept.take_out(turns["number"])
        self._put = CandidateRun()
        self._all_clean_at = found.clean_at
        self._bound = None
        if found.count > found.oldest.size:
            self._bound = self._swept.last
        if len(self._swept) > self._depth:
            self._keep_oldest()
        put = turns[turns["is_put"]]
        self._add(put["clean_at"], put["number"])

    def _add(self, clean_at: Times, numbers: Numbers) -> None:
        """Holds numbers that are not held, unless they are too far behind."""
        if self._bound is not None:
            bound_at, bound = self._bound
            near = (clean_at < bound_at) | ((clean_at == bound_at) & (numbers <= bound))
            clean_at, numbers = clean_at[near], numbers[near]
        self._put = self._put.joined(CandidateRun.sorted_from(clean_at, numbers))
        if len(self._put) > PUT_MAX:
            self._swept, self._put = self._swept.joined(self._put), CandidateRun()
            if len(self._swept) > self._depth:
                self._keep_oldest()

    def _keep_oldest(self) -> None:
        self._swept = CandidateRun(*self._swept.oldest(self._depth))
        self._bound = self._swept.last

    def _take_out(self, numbers: Numbers) -> None:
        self._swept.take_out(numbers)
        self._put.take_out(numbers)

    def _remember(self, numbers: Numbers, clean_at: Times, *, is_put: bool) -> None:
        if not self._marks:
            return  # every sweep to come will see it
        turns = np.empty(numbers.size, TURN)
        turns["number"], turns["clean_at"] = numbers, clean_at
        turns["is_put"], turns["at"] = is_put, self._at
        self._turns += turns.tobytes()
        if len(self._turns) > 2 * self._tidy_bytes + self._depth * TURN.itemsize:
            self._tidy()

    def _tidy(self) -> None:
        """Keeps the last turn of each number, if a sweep may not have seen it.

        That one is enough for every mark: a turn before it counts for none that it does not.
        """
        if self._turns:
            turns = np.frombuffer(bytes(self._turns), TURN)
            turns = turns[turns["at"] >= min(self._marks, default=self._at + 1)]
            # `take` copies records, where an index in brackets copies field by field.
            self._turns = bytearray(turns.take(last_of_each(turns["number"])).tobytes())
        self._tidy_bytes = len(self._turns)
