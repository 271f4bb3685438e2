"""The scanner's sweep: every record evaluated once, in steps, summed up and compared."""

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from ringfence.engine.memory.segment import Segment
from ringfence.engine.verdict.sweep_sums import CANDIDATE as CANDIDATE
from ringfence.engine.verdict.sweep_sums import CHANGE as CHANGE
from ringfence.engine.verdict.sweep_sums import FORECAST_DAYS as FORECAST_DAYS
from ringfence.engine.verdict.sweep_sums import ScanStep as ScanStep
from ringfence.engine.verdict.sweep_sums import SweepSums

@disjoint_base
class TableScan:
    """Sweeps over a segment, for one thread at a time; `find` may be called from any.

    Times are unix seconds.
    """

    def __new__(cls, segment: Segment) -> TableScan: ...
    @property
    def segment(self) -> Segment: ...
    def step(
        self,
        first: int,
        *,
        now: int,
        records_max: int,
        sums: SweepSums,
        seen: npt.NDArray[np.uint8] | None = None,
        changes_max: int = 65_536,
    ) -> ScanStep:
        """Evaluates records from `first` on at `now` and adds them to `sums`; the GIL is released.

        `seen` has the verdict last seen of each record (0 = none): where it is another now, that
        is a change. It is only read, and may be written meanwhile. The step ends after
        `records_max` records, or `changes_max` changes, or at segment.numbers.

        FREE numbers are in no sum. A number whose header never settles is left out. Raises
        ValueError for a `seen` that is too short, Unsettled when the settings keep changing.
        """
    def count(self, *, now: int) -> SweepSums:
        """All numbers summed up; the GIL is released most of the time."""
    def find(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """The records of numbers, as in CHANGE; -1 = there is none. The GIL is released."""
