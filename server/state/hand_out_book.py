"""Numbers that were handed out, for complaints: bounded, and independent of the table.

What was handed out lately lies in a dictionary, the rest in runs, oldest first, each at least twice
as long as the next one, or about to be merged with it. So there are few to look through, and each
hand-out is copied few times. The book says what is to be merged; whoever keeps it does that beside
his loop, as a run never changes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from ringfence.server.state.hand_out_runs import (
    HAND_OUT,
    Run,
    Work,
    merged,
    newest,
    run_of,
    without_old,
)

KEPT_S = 400 * 86_400
LEAST_MOST = 1 << 20
"""A small table gives its slots on many times in 400 days."""
RECENT_MAX = 8_192
SURPLUS = 8
"""So much beyond `most`, an eighth, the oldest go; one more each time would copy all of them."""
STALE_S = 86_400  # a run is copied for its oldest hand-outs alone once a day

HandOut = tuple[int, int, int]
"""Unix seconds, index of the pool, index of the policy that the pool had."""


@dataclass(frozen=True, eq=False)
class Merge:
    """What is to become of some runs that follow each other."""

    runs: Sequence[Run]
    work: Work

    def step(self) -> Run | None:
        """Does a slice of it, anywhere; the new run when it is done."""
        try:
            next(self.work)
        except StopIteration as done:
            run: Run = done.value
            return run
        return None


class HandOutBook:
    """The last hand-out of each number within 400 days, the newest `most` of them and few more."""

    @classmethod
    def beside_table(cls, capacity_numbers: int) -> Self:
        """The book of a keeper whose table holds so many numbers."""
        return cls(max(capacity_numbers, LEAST_MOST))

    def __init__(self, most: int) -> None:
        self._most = most
        self._runs: list[Run] = []
        self._recent: dict[int, int] = {}  # by number: the second half of a row

    def __len__(self) -> int:
        """How many are held: those of one number that are in two runs twice."""
        return len(self._recent) + sum(run.rows for run in self._runs)

    def add(self, numbers: npt.NDArray[np.uint64], *, at: int, pool: int, policy: int) -> None:
        """Numbers are handed out."""
        self._recent.update(dict.fromkeys(numbers.tolist(), at | pool << 32 | policy << 48))
        if len(self._recent) >= RECENT_MAX:
            self._close_recent()

    def find(self, number: int, now: int) -> HandOut | None:
        """When a number was last handed out, and the indexes of pool and policy; None = not within
        400 days.
        """
        recent = self._recent.get(number)
        if recent is not None:
            found: HandOut | None = recent & 0xFFFF_FFFF, recent >> 32 & 0xFFFF, recent >> 48
        else:
            found = next(filter(None, (run.find(number) for run in reversed(self._runs))), None)
        return found if found is not None and found[0] > now - KEPT_S else None

    def runs(self) -> list[Run]:
        """All hand-outs, oldest run first: they stay as they are while the book goes on."""
        self._close_recent()
        return [replace(run, chunks=list(run.chunks)) for run in self._runs]

    def load(self, runs: Iterable[Run]) -> None:
        """Takes over what a snapshot has, oldest first, in place of what is there."""
        self._runs = [replace(run, chunks=list(run.chunks)) for run in runs if run.rows]
        self._recent = {}

    def due(self, now: int) -> Merge | None:
        """What is to be done next; None = nothing. To be `put` before this is asked again."""
        after = now - KEPT_S
        too_many = sum(run.rows for run in self._runs) > self._most + self._most // SURPLUS
        pairs = [
            pair for pair in pairwise(self._runs) if too_many or pair[0].rows < 2 * pair[1].rows
        ]
        if pairs:
            older, newer = min(pairs, key=lambda pair: pair[0].rows + pair[1].rows)
            return Merge((older, newer), merged(older, newer, after=after))
        if too_many:
            return Merge(self._runs[:1], newest(self._runs[0], self._most))
        for run in self._runs:
            if run.oldest_at <= after - STALE_S:
                return Merge((run,), without_old(run, after=after))
        return None

    def put(self, merge: Merge, run: Run) -> None:
        """A run takes the place of those that it was made of."""
        first = self._runs.index(merge.runs[0])
        self._runs[first : first + len(merge.runs)] = [run] if run.rows else []

    def _close_recent(self) -> None:
        """The dictionary becomes a run; it is short, and a new one begins."""
        if not self._recent:
            return
        count = len(self._recent)
        words = np.empty((count, 2), np.uint64)
        words[:, 0] = np.fromiter(self._recent.keys(), np.uint64, count)
        words[:, 1] = np.fromiter(self._recent.values(), np.uint64, count)
        words = words[np.argsort(words[:, 0])]
        self._runs.append(run_of([words.view(HAND_OUT).reshape(count)]))
        self._recent = {}
