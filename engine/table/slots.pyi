"""Slots: records whose numbers have left, on their way to other numbers."""

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from ringfence.engine.memory.segment import Segment

@disjoint_base
class Slots:
    """What room a table has. Belongs to its TableWriter, and is used by the same thread."""

    def __new__(cls, segment: Segment) -> Slots: ...
    @property
    def segment(self) -> Segment: ...
    @property
    def in_use(self) -> int:
        """Numbers that are not FREE: what the capacity counts."""
    @property
    def ready(self) -> int:
        """Slots that other numbers can take at once."""
    @property
    def free(self) -> int:
        """FREE records that are found by their numbers."""
    @property
    def leaving(self) -> int:
        """FREE records that no number leads to any more, and inserts may still hold."""
    def part(self, most: int) -> int:
        """Takes FREE records out of the index, at most so many; how many. They are no longer
        found, and become ready by `empty`.
        """
    def empty(self, most: int) -> int:
        """Makes those ready that no insert can hold any more, at most so many; how many."""
    def left_after(self, since: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
        """The numbers in FREE records that were last tracked after a moment, unix seconds, and when
        each was. It looks at all headers.
        """
    def held_up_by(self) -> list[int]:
        """The workers whose inserts that are under way `empty` waits for."""
