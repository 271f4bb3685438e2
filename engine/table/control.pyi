"""The control plane: the one writer of headers and settings. Plain code that may raise and log."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from ringfence.engine.answers import Header
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Feed, Policy, Pool
from ringfence.engine.words import State

class TableFull(Exception):
    """There is no slot for another number: says how many are asked for, free and the capacity."""

    def __init__(self, wanted: int, free: int, capacity_numbers: int) -> None: ...
    wanted: int
    free: int
    capacity_numbers: int

HEADER: np.dtype[np.void]
"""The fields of a header that commands set, as a record has them: key, control (its generation is
0), quarantined_at, override_at, origin, spare."""

def quarantine_headers(
    numbers: npt.NDArray[np.uint64],
    *,
    pool: int,
    quarantined_at: npt.NDArray[np.uint32],
    observed_since: npt.NDArray[np.uint32],
    reason: npt.NDArray[np.uint8],
    now: int,
) -> npt.NDArray[np.void]:
    """Headers (dtype HEADER) of numbers that go into quarantine.

    observed_since is kept as hours from quarantined_at, rounded up.
    """

@disjoint_base
class TableWriter:
    """Writes headers and settings; there is one writer per segment at a time: the keeper.

    Making one finishes what a writer that died left odd: such a number, whose command was never
    answered, becomes FREE. Coverage that it left odd is read by nobody until `publish`.
    """

    def __new__(cls, segment: Segment) -> TableWriter: ...
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
        checked that numbers are E.164 and times are in bounds; a quarantined_at before the end of
        the number's last assignment is TOO_EARLY (see `ended_at`).
        """
    def judge(
        self, numbers: npt.NDArray[np.uint64], quarantined_at: npt.NDArray[np.uint32]
    ) -> npt.NDArray[np.uint8]:
        """What would become of numbers that are quarantined now: an `Outcome` for each."""
    def new_numbers(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Those that have no record yet, ascending, each once."""
    def apply(self, headers: npt.NDArray[np.void]) -> None:
        """Writes headers (dtype HEADER) as they are, in their order; again changes nothing.

        All or nothing as to room: raises TableFull before anything is written.
        """
    def header_row(self, number: int) -> npt.NDArray[np.void]:
        """The header of a number as a HEADER array of length 1; raises KeyError."""
    def header_rows(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.void]:
        """The headers of numbers as a HEADER array in their order; zeros where there is none."""
    def set_applied(self, position: int) -> None:
        """Publishes the position of the keeper's journal up to which headers are written."""
    def ended_at(self, number: int) -> int:
        """When a number last became ASSIGNED, RETIRED or FREE; 0 = never."""
    def header(self, number: int) -> Header | None:
        """The header of a number in the table."""
    def set_state(self, number: int, state: State, *, since: int) -> None:
        """Changes the state of a number in the table; raises KeyError."""
    def set_override(self, number: int, override_at: int) -> None:
        """Sets an operator's override (0 takes it back); raises KeyError."""
    def publish(
        self,
        policies: Sequence[Policy | None],
        pools: Sequence[Pool | None],
        feeds: Sequence[Feed | None] = (),
    ) -> None:
        """Replaces all settings at once. A pool's or policy's index is its position; the index of
        a pool that has numbers must not change. Raises SettingError, and leaves all as it was.
        """
    def publish_coverage(self, feeds: Mapping[int, Feed]) -> None:
        """Replaces what some feeds have covered, by their index as published; all else stays.

        Raises SettingError, and leaves all as it was; RuntimeError before the first `publish` of a
        writer whose predecessor died in one.
        """
