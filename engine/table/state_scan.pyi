"""Looks through the headers of the table for numbers that are in a state for long."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory.segment import Segment
from ringfence.engine.words import State

def numbers_in_states(
    segment: Segment,
    first: int,
    *,
    states: Iterable[State],
    until: int,
    records_max: int,
    numbers_max: int,
) -> tuple[npt.NDArray[np.uint64], int]:
    """Numbers that have been in one of these states since `until` (unix seconds) or before, in the
    order of the table, and the record to go on from; segment.numbers or more = done.

    Looks at no more than `records_max` records from `first` on, returns no more than `numbers_max`
    numbers. The GIL is released. Numbers whose header never settles are left out.
    """
