"""The control plane: the one writer of headers. Plain code that may raise and log."""

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from ringfence.engine.answers import Header
from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.slots import Slots
from ringfence.engine.words import State

class TableFull(Exception):
    """There is no slot for another number: says how many are asked for, free and the capacity."""

    def __init__(self, wanted: int, free: int, capacity_numbers: int) -> None: ...
    wanted: int
    free: int
    capacity_numbers: int

class SlotsHeld(Exception):
    """There is room for numbers and no slot yet: inserts may still hold those that became free."""

    def __init__(self, wanted: int, ready: int, workers: list[int]) -> None: ...
    wanted: int
    ready: int
    workers: list[int]

@disjoint_base
class TableWriter:
    """Writes headers; there is one writer per segment at a time: the keeper.

    Making one finishes what a writer that died left in halves: such a number is as it was before
    its command, which was never answered. It looks at all headers.
    """

    def __new__(cls, segment: Segment) -> TableWriter: ...
    @property
    def segment(self) -> Segment: ...
    @property
    def slots(self) -> Slots: ...
    def quarantine(
        self,
        numbers: npt.NDArray[np.uint64],
        *,
        pool: int,
        quarantined_at: npt.NDArray[np.uint32],
        observed_since: npt.NDArray[np.uint32],
        reason: npt.NDArray[np.uint8],
        now: int,
    ) -> npt.NDArray[np.uint8]:
        """Puts numbers into quarantine; all arrays have one length. Returns an `Outcome` for each.

        All or nothing as to room: raises TableFull before anything is written. The caller has
        checked that numbers are E.164 and times are in bounds; a quarantined_at before
        `earliest_quarantine` is TOO_EARLY.
        """
    def judge(
        self, numbers: npt.NDArray[np.uint64], quarantined_at: npt.NDArray[np.uint32]
    ) -> npt.NDArray[np.uint8]:
        """What would become of numbers that are quarantined now: an `Outcome` for each."""
    def new_numbers(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Those that are not in the table, or FREE, ascending, each once."""
    def apply(self, headers: npt.NDArray[np.void]) -> None:
        """Writes headers (dtype HEADER) as they are, in their order; again changes nothing. Those
        that are FREE of numbers that are not in the table need nothing.

        All or nothing as to room: raises TableFull before anything is written, and SlotsHeld when
        there are not as many slots `ready` and inserts under way may hold the others.
        """
    def header_row(self, number: int) -> npt.NDArray[np.void]:
        """The header of a number as a HEADER array of length 1; raises KeyError."""
    def header_rows(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.void]:
        """The headers of numbers as a HEADER array in their order; zeros where there is none."""
    def set_applied(self, position: int) -> None:
        """Publishes the position of the keeper's journal up to which headers are written."""
    def earliest_quarantine(self, number: int) -> int:
        """From when on a number that left can be quarantined, unix seconds: FORMER_LIFE_S after it
        was last tracked; 0 = it never left.
        """
    def header(self, number: int) -> Header | None:
        """The header of a number in the table."""
    def set_state(self, number: int, state: State, *, since: int) -> None:
        """Changes the state of a number in the table; raises KeyError."""
    def set_override(self, number: int, override_at: int) -> None:
        """Sets an operator's override (0 takes it back); raises KeyError."""
