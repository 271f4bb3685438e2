"""The sweep that answers questions: one look at each record serves all of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from ringfence.engine.memory.segment import Segment
from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.verdict.question_rows import question_rows as question_rows
from ringfence.engine.verdict.sweep_sums import CANDIDATE as CANDIDATE
from ringfence.engine.verdict.sweep_sums import ScanStep as ScanStep

@disjoint_base
class QuestionScan:
    """One sweep over a segment for 1 to 65,536 different questions, for one thread at a time.

    Raises ValueError for a prefix or a pool that is none.
    """

    def __new__(cls, segment: Segment, questions: Sequence[Question]) -> QuestionScan: ...
    @property
    def segment(self) -> Segment: ...
    @property
    def next_clean_at(self) -> npt.NDArray[np.uint32]:
        """By index of the question: the least clean_at, later than the time of its step, of its
        numbers that are AGING, NOISY or UNOBSERVED; unix seconds, 0 = none.
        """
    def step(self, first: int, *, now: int, records_max: int) -> ScanStep:
        """Evaluates records from `first` on at `now`, unix seconds; the GIL is released.

        Its clean numbers are rows of CANDIDATE with the index of the question in the place of the
        pool: one for each question that a number answers. The step ends after `records_max`
        records, or before when it has found more than as many rows, or at segment.numbers. A
        number whose header never settles is left out. Raises Unsettled when the settings keep
        changing.
        """
