"""Numbers and what a file says of each, in arrays: a million with their dates take 24 MB."""

from array import array
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

NUMBERS_MAX = 50_000_000  # over a gigabyte of arrays; no switch has so many in quarantine


class TooManyNumbers(ValueError):
    """More than fit; what follows is not read."""


@dataclass(frozen=True)
class Numbers:
    """Numbers in the order given, and what a CSV file says of each; 0 and "" = it does not say."""

    number: npt.NDArray[np.uint64]
    quarantined_at: npt.NDArray[np.uint32]
    observed_since: npt.NDArray[np.uint32]
    reason: npt.NDArray[np.uint8]
    pool: npt.NDArray[np.uint16]
    line: npt.NDArray[np.uint32]
    """Where each stands in the file; several of a range in one line."""
    pool_names: tuple[str, ...]
    """`pool` holds indexes into these; the first is "", for rows that name none."""
    ignored_columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.number)


@dataclass
class NumberRows:
    """Growing arrays, one value a number in each."""

    number: "array[int]" = field(default_factory=lambda: array("Q"))
    quarantined_at: "array[int]" = field(default_factory=lambda: array("I"))
    observed_since: "array[int]" = field(default_factory=lambda: array("I"))
    reason: "array[int]" = field(default_factory=lambda: array("B"))
    pool: "array[int]" = field(default_factory=lambda: array("H"))
    line: "array[int]" = field(default_factory=lambda: array("I"))
    pool_indexes: dict[str, int] = field(default_factory=lambda: {"": 0})
    ignored_columns: tuple[str, ...] = ()

    def add(
        self,
        first: int,
        last: int,
        *,
        quarantined_at: int = 0,
        observed_since: int = 0,
        reason: int = 0,
        pool: str = "",
        line: int = 0,
    ) -> None:
        """Adds first to last, all with the same particulars; raises TooManyNumbers."""
        count = last - first + 1
        if len(self.number) + count > NUMBERS_MAX:
            raise TooManyNumbers(
                f"too many numbers: numbers={len(self.number) + count}, limit={NUMBERS_MAX}"
            )
        pool_index = self.pool_indexes.setdefault(pool, len(self.pool_indexes))
        if pool_index > 0xFFFF:
            raise TooManyNumbers(f"too many pools: limit={0xFFFF}")
        self.number.extend(range(first, last + 1))
        self.quarantined_at.extend((quarantined_at,) * count)
        self.observed_since.extend((observed_since,) * count)
        self.reason.extend((reason,) * count)
        self.pool.extend((pool_index,) * count)
        self.line.extend((line,) * count)

    def numbers(self) -> Numbers:
        """The rows as numpy arrays."""
        return Numbers(
            np.frombuffer(self.number, np.uint64),
            np.frombuffer(self.quarantined_at, np.uint32),
            np.frombuffer(self.observed_since, np.uint32),
            np.frombuffer(self.reason, np.uint8),
            np.frombuffer(self.pool, np.uint16),
            np.frombuffer(self.line, np.uint32),
            tuple(self.pool_indexes),
            self.ignored_columns,
        )
