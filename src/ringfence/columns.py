"""Numbers, and fields with one value a number, on their way into messages of bounded size."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Generic, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Integers: TypeAlias = npt.NDArray[np.integer[Any]]
Numbers: TypeAlias = Iterable[int] | Integers
Column: TypeAlias = T | Iterable[T] | Integers | None
"""A field given once for all numbers, once for each, or not at all."""

ARRAY_PART = 65_536


def integers(values: Numbers) -> Iterator[int]:
    """The values as Python integers; an array is turned into them part by part."""
    if isinstance(values, np.ndarray):
        for begin in range(0, len(values), ARRAY_PART):
            yield from values[begin : begin + ARRAY_PART].tolist()
    else:
        yield from values


def take(source: Iterator[T], count: int) -> list[T]:
    """The next `count` values, fewer at the end."""
    return list(islice(source, count))


class NextValues(Generic[T]):
    """Gives a field's values for the numbers of one request after the other."""

    def __init__(self, field: str, given: Column[T], convert: Callable[[Any], int]) -> None:
        self._field = field
        self._convert = convert
        self._only: list[int] | None = None
        self._source: Iterator[Any] = iter(())
        if given is None:
            self._only = []
        elif isinstance(given, int | datetime):
            self._only = [convert(given)]
        else:
            self._source = integers(cast(Numbers, given))

    def take(self, count: int) -> list[Any]:
        """The values for the next `count` numbers; raises ValueError when there are too few."""
        if self._only is not None:
            return self._only
        values = [self._convert(value) for value in take(self._source, count)]
        if len(values) < count:
            raise ValueError(f"{self._field} ends before the numbers: {len(values)} for {count}")
        return values

    def end(self) -> None:
        """Raises ValueError when there are values left after the last number."""
        if next(self._source, None) is not None:
            raise ValueError(f"{self._field} has more values than there are numbers")
