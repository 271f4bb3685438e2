"""Numbers that begin with given digits, told apart by arithmetic and not by their text."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DIGITS_MIN, DIGITS_MAX = 7, 15


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first digits of a number; empty = every number has it."""

    digits: str = ""

    def __post_init__(self) -> None:
        digits = self.digits
        if digits and not (
            digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX and digits[0] != "0"
        ):
            raise ValueError(
                f"prefix: value={digits[:20]!r}, bound=1 to {DIGITS_MAX} digits, no leading zero"
            )

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First and last number of each length that has it."""
        if not self.digits:
            return [(10 ** (DIGITS_MIN - 1), 10**DIGITS_MAX - 1)]
        free = range(max(0, DIGITS_MIN - len(self.digits)), DIGITS_MAX - len(self.digits) + 1)
        first = int(self.digits)
        return [(first * 10**digits, (first + 1) * 10**digits - 1) for digits in free]

    def matches(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which of the numbers have it."""
        found = np.zeros(numbers.shape, np.bool_)
        for first, last in self.ranges:
            found |= (numbers >= np.uint64(first)) & (numbers <= np.uint64(last))
        return found
