"""Numbers that left: until when the journals may hold events of the life that ended.

A number may come back 310 s after it was last tracked, as events may be 300 s ahead. Its header
says so as long as it has its slot. The slot may be another number's before the snapshots that a
restart goes on from lie behind that, so it is kept here too.

Numbers that left lately lie in a dictionary, all others in runs in the order in which they left. A
run is never changed, and goes as a whole: an image and a thread may read it beside the loop.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ringfence.engine.table.header_rows import Numbers
from ringfence.engine.words import FORMER_LIFE_S
from ringfence.server.state.former_runs import Rows, Run, run_of, runs_of, with_run

RECENT_MAX = 1 << 14
LEAST_MOST = 1 << 20
"""So many may be kept in a small table too: 12 MiB."""


class FormerLivesFull(Exception):
    """So many numbers have left since the older kept snapshot that no other may come; says how many
    are asked for, how many may still come, and the bound.
    """

    def __init__(self, wanted: int, free: int, most: int) -> None:
        super().__init__(
            f"too many numbers have left lately: new numbers={wanted}, free={free}, bound={most};"
            " the next snapshots make room"
        )


class FormerLives:
    """The last life of each number that left, as long as that matters."""

    def __init__(self, capacity_numbers: int) -> None:
        self.most = max(2 * capacity_numbers, LEAST_MOST)
        """With so many no number may come into the table: it would be one more when it leaves."""
        self.over = 0
        """Lives that ended by then matter no more, unix seconds."""
        self._recent: dict[int, int] = {}
        self._runs: tuple[Run, ...] = ()

    def __len__(self) -> int:
        """How many are kept: those of one number that are in two runs twice."""
        return len(self._recent) + sum(map(len, self._runs))

    def leave(self, numbers: Numbers, since: Numbers) -> None:
        """These leave the table, and were last tracked then; all of one length."""
        matter = since > np.uint64(self.over)
        numbers, since = numbers[matter], since[matter]
        if len(self._recent) + len(numbers) >= RECENT_MAX:
            self._close_recent()
        if len(numbers) >= RECENT_MAX:
            self._runs = with_run(self._runs, run_of(numbers, since.astype(np.uint32)))
            return
        self._recent.update(zip(numbers.tolist(), since.tolist(), strict=True))

    def last_tracked(self, numbers: Numbers) -> npt.NDArray[np.uint32]:
        """When each was last tracked, unix seconds; 0 = in no life that matters."""
        recent = self._recent  # before the runs: those that become a run meanwhile are in one
        found = np.fromiter((recent.get(each, 0) for each in numbers.tolist()), np.uint32)
        for run in self._runs:
            found = np.maximum(found, run.last_tracked(numbers))
        return found

    def forget(self, kept_since: int) -> None:
        """The older of the kept snapshots was taken at `kept_since`: what ended FORMER_LIFE_S
        before it matters no more. Journals may still hold it, but nobody will read that.
        """
        self.over = max(self.over, kept_since - FORMER_LIFE_S)
        self._runs = tuple(run for run in self._runs if run.newest > self.over)

    def runs(self) -> Sequence[Run]:
        """All of them: they stay as they are while the book goes on."""
        self._close_recent()
        return self._runs

    def load(self, rows: Rows) -> None:
        """Takes in what a snapshot has, or a table in its FREE slots."""
        news = rows[self.last_tracked(rows["number"]) < rows["since"]]
        for run in runs_of(news):
            self._runs = with_run(self._runs, run)

    def _close_recent(self) -> None:
        """The dictionary becomes a run."""
        if self._recent:
            numbers = np.fromiter(self._recent.keys(), np.uint64, len(self._recent))
            since = np.fromiter(self._recent.values(), np.uint32, len(self._recent))
            self._runs = with_run(self._runs, run_of(numbers, since))
            self._recent = {}
