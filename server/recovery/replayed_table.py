"""Headers of the keeper's journal on their way into a table that nobody uses yet.

A snapshot is copied while commands go on: a slot that was copied late may bear a number that came
after the position that replay begins at, while the number that it bore until then, and will lose
in replay, needs a place too. So for some time more numbers may be in use than there is room for.
Those for which there is none wait until all others have got where the journal ends: there is room
for all then. Nothing of their rings is lost, as a number that lost its slot has left since, and
what comes behind that is of another life.
"""

import numpy as np

from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.header_rows import Headers, latest_rows, numbers_of, states_of
from ringfence.engine.table.writer import TableFull, TableWriter
from ringfence.engine.words import State


class ReplayedTable:
    """The one who writes headers during replay."""

    def __init__(self, segment: Segment) -> None:
        self._writer = TableWriter(segment)
        self._waiting: list[Headers] = []

    def apply(self, headers: Headers) -> None:
        """What the next command leaves."""
        if not self._waiting:
            try:
                self._writer.apply(headers)
            except TableFull:
                pass
            else:
                return
        new = np.isin(numbers_of(headers), self._writer.new_numbers(numbers_of(headers)))
        self._writer.apply(headers[~new])
        self._waiting.append(headers[new])

    def finish(self, applied: int) -> None:
        """All commands up to this position were applied."""
        if self._waiting:
            rows = latest_rows(np.concatenate(self._waiting))
            self._writer.apply(rows[states_of(rows) != State.FREE])
        self._writer.set_applied(applied)
