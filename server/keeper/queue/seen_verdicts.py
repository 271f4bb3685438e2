"""The verdict last seen of each record, so that a change is found once and never twice.

Everything here happens on the event loop; a step of a sweep, in its thread, only reads `verdicts`.
What such a step found may be out of date when it arrives: a command may have changed the number
since the step began. What commands touch meanwhile is noted, and a change of such a record does
not count: the command's own record of it is the true one.
"""

import numpy as np
import numpy.typing as npt

from ringfence.engine.verdict.scan import TableScan
from ringfence.server.keeper.queue.candidate_run import Numbers


class SeenVerdicts:
    """A byte a record, 0 = never seen."""

    def __init__(self, scan: TableScan) -> None:
        self._find = scan.find
        self.verdicts = np.zeros(scan.segment.capacity_numbers, np.uint8)
        """By record; for sweeps to read."""
        self._touched: list[npt.NDArray[np.int64]] | None = None  # None = no step is under way

    def begin_step(self) -> None:
        """A step is about to begin; the one before has been settled."""
        self._touched = []

    def end_step(self) -> None:
        """No step is under way."""
        self._touched = None

    def touch(self, numbers: Numbers, verdicts: npt.NDArray[np.uint8] | int) -> None:
        """A command has changed these numbers; the verdicts are those that hold since."""
        records = self._find(numbers)
        known = records >= 0
        if not isinstance(verdicts, int):
            verdicts = verdicts[known]
        self.verdicts[records[known]] = verdicts
        if self._touched is not None:
            self._touched.append(records[known])

    def settle(self, changes: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        """Takes over what the step under way has found, and returns what counts: not what a command
        has touched since the step began, nor what was never seen before.
        """
        if self._touched is None:
            raise ValueError("changes: step=over, bound=settled before it is over")
        if self._touched:
            changes = changes[~np.isin(changes["record"], np.concatenate(self._touched))]
        self.verdicts[changes["record"]] = changes["current"]
        counting: npt.NDArray[np.void] = changes[changes["previous"] != 0]
        return counting
