"""Numbers as a list shows them: looked at and encoded in one pass, without the GIL."""

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from ringfence.engine.memory.segment import Segment

@disjoint_base
class NumberList:
    """What one thread lists of a segment."""

    def __new__(cls, segment: Segment) -> NumberList: ...
    def encode(self, numbers: npt.NDArray[np.uint64], *, now: int) -> bytes:
        """The numbers at a time, unix seconds, as field `numbers` of a ListNumbersResponse, in
        their order; one that is not in the table is left out. 256 bytes each at most.

        Raises Unsettled.
        """
