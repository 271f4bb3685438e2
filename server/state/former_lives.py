"""Numbers that left: until when the journals may hold events of the life that ended.

A number may come back 310 s after it was last tracked, as events may be 300 s ahead. Its header
says so as long as it has its slot. The slot may be another number's before the snapshots that a
restart goes on from lie behind that, so it is kept here too.

Numbers that left lately lie in a dictionary, all others in runs in the order in which they left. A
run is never changed, and goes as a whole: an image and a thread may read it beside the loop.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ringfence.engine.table.header_rows import Numbers
from ringfence.engine.words import FORMER_LIFE_S

FORMER_LIFE = np.dtype([("number", "<u8"), ("since", "<u4")])
"""A row: a number, and the unix seconds when it was last tracked."""
RECENT_MAX = 1 << 14
RUN_ROWS_MAX = 1 << 17
LEAST_MOST = 1 << 20
"""So many may be kept in a small table too: 12 MiB."""

Rows = npt.NDArray[np.void]
"""Of dtype FORMER_LIFE, ascending by number."""


class FormerLives:
    """The last life of each number that left, as long as that matters."""

    def __init__(self, capacity_numbers: int) -> None:
        self.most = max(2 * capacity_numbers, LEAST_MOST)
        """With so many no number may come into the table: it would be one more when it leaves."""
        self.over = 0
        """Lives that ended by then matter no more, unix seconds."""
        self._recent: dict[int, int] = {}
        self._runs: tuple[Rows, ...] = ()

    def __len__(self) -> int:
        """How many are kept: those of one number that are in two runs twice."""
        return len(self._recent) + sum(map(len, self._runs))

    def leave(self, numbers: Numbers, since: Numbers) -> None:
        """These leave the table, and were last tracked then; all of one length."""
        matter = since > np.uint64(self.over)
        self._recent.update(zip(numbers[matter].tolist(), since[matter].tolist(), strict=True))
        if len(self._recent) >= RECENT_MAX:
            self._close_recent()

    def last_tracked(self, numbers: Numbers) -> npt.NDArray[np.uint32]:
        """When each was last tracked, unix seconds; 0 = in no life that matters."""
        recent = self._recent  # before the runs: those that become a run meanwhile are in one
        found = np.fromiter((recent.get(each, 0) for each in numbers.tolist()), np.uint32)
        for run in self._runs:
            at = np.searchsorted(run["number"], numbers).clip(max=len(run) - 1)
            same = run["number"][at] == numbers
            found[same] = np.maximum(found[same], run["since"][at[same]])
        return found

    def forget(self, kept_since: int) -> None:
        """The older of the kept snapshots was taken at `kept_since`: what ended FORMER_LIFE_S
        before it matters no more. Journals may still hold it, but nobody will read that.
        """
        self.over = max(self.over, kept_since - FORMER_LIFE_S)
        self._runs = tuple(run for run in self._runs if run["since"].max() > self.over)

    def runs(self) -> Sequence[Rows]:
        """All of them: they stay as they are while the book goes on."""
        self._close_recent()
        return self._runs

    def load(self, rows: Rows) -> None:
        """Takes in what a snapshot has, or a table in its FREE slots."""
        news = rows[self.last_tracked(rows["number"]) < rows["since"]]
        if len(news):
            self._runs = _with_run(self._runs, news)

    def _close_recent(self) -> None:
        """The dictionary becomes a run."""
        if not self._recent:
            return
        rows = np.empty(len(self._recent), FORMER_LIFE)
        rows["number"] = np.fromiter(self._recent.keys(), np.uint64, len(rows))
        rows["since"] = np.fromiter(self._recent.values(), np.uint32, len(rows))
        self._runs = _with_run(self._runs, rows)
        self._recent = {}


def _with_run(runs: Iterable[Rows], rows: Rows) -> tuple[Rows, ...]:
    """The runs, and these rows in one of them, the last one if that is short."""
    *before, last = [*runs, np.empty(0, FORMER_LIFE)]
    if before and len(before[-1]) + len(rows) <= RUN_ROWS_MAX:
        last = before.pop()
    together = np.concatenate([last, rows])
    order = np.lexsort((together["since"], together["number"]))
    together = together[order]
    newest = np.ones(len(together), np.bool_)  # of one number
    newest[:-1] = together["number"][1:] != together["number"][:-1]
    return (*before, together[newest])
