"""Verdicts read from a table: of some numbers, of one explained, of those that match."""

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from ringfence.engine.answers import Explanation
from ringfence.engine.memory.segment import Segment

@disjoint_base
class VerdictReader:
    """What one thread asks of a segment. Times are unix seconds; `at` 0 means `now`."""

    def __new__(cls, segment: Segment) -> VerdictReader: ...
    @property
    def segment(self) -> Segment: ...
    def check(
        self, numbers: npt.NDArray[np.uint64], *, now: int, at: int = 0
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Verdicts and clean_at (0 = does not apply) of `numbers`, in their order.

        Raises Unsettled, and ValueError naming the first impossible number.
        """
    def check_expected(
        self, numbers: npt.NDArray[np.uint64], *, now: int, at: int = 0
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """As `check`, and expected_at: the first time from `at` on at which each would be CLEAN if
        it stays silent and is listened to from now on (0 = does not apply). Costs more where
        coverage is wanting.
        """
    def check_as(
        self, headers: npt.NDArray[np.void], *, now: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Verdicts and clean_at of numbers as if their headers were these (dtype HEADER).

        Their rings are those of the table. Raises Unsettled for a pool that is not published.
        """
    def explain(self, number: int, *, now: int, at: int = 0) -> Explanation | None:
        """Everything known of a number; None when it is not in the table. Raises Unsettled."""
    def select(
        self,
        first: int,
        *,
        now: int,
        numbers_max: int,
        records_max: int,
        pool: int = -1,
        verdicts: int = 0,
        overdue_only: bool = False,
        prefix: str = "",
    ) -> tuple[npt.NDArray[np.uint64], int]:
        """Numbers that match, in the order in which they first came into the table, and the
        record to go on from; segment.numbers or more = done.

        Looks at no more than `records_max` records, returns no more than `numbers_max` numbers.
        `verdicts` has bit v set for each verdict v wanted (0 = all but UNTRACKED); FREE numbers
        never match. The GIL is released. Numbers whose header never settles are left out.
        """
