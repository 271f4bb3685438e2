"""One message of numbers for quarantine: whole columns checked at once, faults named singly."""

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ringfence.engine.number import NUMBER_MAX, NUMBER_MIN
from ringfence.engine.table.header_rows import Mask, Numbers, distinct
from ringfence.engine.words import DisconnectReason
from ringfence.server.link.bounds import NUMBERS_MAX
from ringfence.server.link.refusal import bad_field
from ringfence.v1 import quarantine_service_pb2 as pb

_NUMBER, _QUARANTINED_AT, _OBSERVED_SINCE, _REASON = range(1, 5)


_Integer = TypeVar("_Integer", np.uint32, np.int32)


class _Column(Iterable[int], Sized, Protocol): ...


@dataclass(frozen=True)
class QuarantineBatch:
    """Columns of one length; `fault` is 0 where a number can be quarantined."""

    number: npt.NDArray[np.uint64]
    quarantined_at: npt.NDArray[np.uint32]
    observed_since: npt.NDArray[np.uint32]
    reason: npt.NDArray[np.int32]
    fault: npt.NDArray[np.uint8]
    again: npt.NDArray[np.bool_]
    """Which sound numbers stand for the second time, or later: the first counts."""
    now: int

    def __getitem__(self, rows: slice) -> "QuarantineBatch":
        """Some rows of it."""
        return QuarantineBatch(
            self.number[rows],
            self.quarantined_at[rows],
            self.observed_since[rows],
            self.reason[rows],
            self.fault[rows],
            self.again[rows],
            self.now,
        )

    def __len__(self) -> int:
        return len(self.number)

    def fault_text(self, index: int) -> str:
        """What is wrong with one number: field, value and bound."""
        match self.fault[index]:
            case 1:
                return f"number: value={self.number[index]}, bound=7 to 15 digits"
            case 2:
                return f"quarantined_at: value={self.quarantined_at[index]}, bound=1 to {self.now}"
            case 3:
                return (
                    f"observed_since: value={self.observed_since[index]},"
                    f" bound={self.quarantined_at[index]} to {self.now}"
                )
        return f"reason: value={self.reason[index]}, bound=0 to {max(DisconnectReason):d}"


def read_quarantine_batch(
    number: Numbers, request: pb.QuarantineNumbersRequest, now: int
) -> QuarantineBatch:
    """The columns of a message, its numbers and all else; raises a refusal when they are too long
    or do not fit together.
    """
    count = len(number)
    if count > NUMBERS_MAX:
        raise bad_field("numbers", f"value={count} numbers, bound={NUMBERS_MAX}")
    quarantined_at = _spread("quarantined_at", request.quarantined_at, now, count, np.uint32)
    observed_since = _spread("observed_since", request.observed_since, now, count, np.uint32)
    reason = _spread("reason", request.reason, 0, count, np.int32)
    fault = np.zeros(count, np.uint8)
    # Of several faults the one written last is told.
    fault[(reason < 0) | (reason > max(DisconnectReason))] = _REASON
    fault[(observed_since < quarantined_at) | (observed_since > now)] = _OBSERVED_SINCE
    fault[(quarantined_at == 0) | (quarantined_at > now)] = _QUARANTINED_AT
    fault[(number < NUMBER_MIN) | (number > NUMBER_MAX)] = _NUMBER
    again = _repeated(number, fault == 0)
    return QuarantineBatch(number, quarantined_at, observed_since, reason, fault, again, now)


def _repeated(number: Numbers, sound: Mask) -> Mask:
    """Which sound numbers are not the first of their kind among those that are sound."""
    repeated = np.zeros(len(number), np.bool_)
    if len(distinct(number)) < len(number):
        places = np.flatnonzero(sound)
        repeated[places] = True
        repeated[places[np.unique(number[places], return_index=True)[1]]] = False
    return repeated


def _spread(
    field: str, given: _Column, default: int, count: int, kind: type[_Integer]
) -> npt.NDArray[_Integer]:
    """A column that was given for none, for all at once or for each number."""
    if len(given) == count:
        return np.fromiter(given, kind, count)
    if len(given) > 1:
        raise bad_field(field, f"value={len(given)} entries, bound=0, 1 or {count}")
    return np.full(count, next(iter(given), default), kind)
