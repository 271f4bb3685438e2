"""A mapping in parts: no insertion takes long, however many entries there are.

A dictionary that is full takes all its entries to a larger place at once: at a million of them that
holds the keeper's loop for 50 ms and more. Here each part takes only its own. Parts have shares of
different sizes, the last nearly twice the first, so that they become full one after the other and
not all within one command.

Keys and values are texts, numbers and bytes: of dictionaries that have nothing else Python's
garbage collector takes no notice, where it would go through all entries again and again.
"""

from collections.abc import Iterator, MutableMapping, Sequence
from typing import TypeVar, overload

import numpy as np

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

PARTS = 128
FEW = 64  # numbers that are not worth being sorted by their parts
_RESIDUES = 8_191  # a prime: numbers in a row and hashes spread evenly over it
_STEP = 3_001  # neighbours go to different parts


def _part_of_residues() -> bytes:
    bounds = [2 ** ((part + 1) / PARTS) - 1 for part in range(PARTS)]
    part, parts = 0, bytearray(_RESIDUES)
    for place in range(_RESIDUES):
        while place >= bounds[part] * _RESIDUES:
            part += 1
        parts[place * _STEP % _RESIDUES] = part
    return bytes(parts)


_PART_OF = _part_of_residues()
_PARTS_OF = np.frombuffer(_PART_OF, np.uint8)


class PartedDict(MutableMapping[K, V]):
    """Entries in no order."""

    def __init__(self) -> None:
        self._parts: tuple[dict[K, V], ...] = tuple({} for _ in range(PARTS))
        self._len = 0

    def __len__(self) -> int:
        return self._len

    def __iter__(self) -> Iterator[K]:
        for part in self._parts:
            yield from part

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V | D) -> V | D: ...
    def get(self, key: K, /, default: V | D | None = None) -> V | D | None:
        """The value of a key, or what is given for one that is not there."""
        return self._parts[_PART_OF[hash(key) % _RESIDUES]].get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._parts[_PART_OF[hash(key) % _RESIDUES]]

    def __getitem__(self, key: K) -> V:
        return self._parts[_PART_OF[hash(key) % _RESIDUES]][key]

    def __setitem__(self, key: K, value: V) -> None:
        part = self._parts[_PART_OF[hash(key) % _RESIDUES]]
        self._len -= len(part)
        part[key] = value
        self._len += len(part)

    def __delitem__(self, key: K) -> None:
        del self._parts[_PART_OF[hash(key) % _RESIDUES]][key]
        self._len -= 1


class PartedNumbers(PartedDict[int, V]):
    """The same by telephone number, many at a time."""

    def set_all(self, numbers: Sequence[int], value: V) -> None:
        """Gives all these the same value."""
        for part, some in self._by_part(numbers):
            self._len -= len(part)
            part.update(dict.fromkeys(some, value))
            self._len += len(part)

    def drop_all(self, numbers: Sequence[int]) -> None:
        """Takes out those of these that are there."""
        for part, some in self._by_part(numbers):
            self._len -= len(part)
            for number in some:
                part.pop(number, None)
            self._len += len(part)

    def _by_part(self, numbers: Sequence[int]) -> Iterator[tuple[dict[int, V], list[int]]]:
        if len(numbers) <= FEW:
            yield from ((self._parts[_PART_OF[each % _RESIDUES]], [each]) for each in numbers)
            return
        given = np.fromiter(numbers, np.uint64, len(numbers))
        parts = _PARTS_OF[given % _RESIDUES]  # a number is its own hash
        order = np.argsort(parts, kind="stable")
        ends = np.cumsum(np.bincount(parts, minlength=PARTS)).tolist()
        ordered = given[order].tolist()
        for part, begin, end in zip(self._parts, [0, *ends], ends, strict=False):
            if begin < end:
                yield part, ordered[begin:end]
