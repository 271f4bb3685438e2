"""Ids in ascending order, of which any may go: in blocks, so that this moves few others."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain, islice

BLOCK_IDS = 1_024


class AscendingIds:
    """Distinct ids, each later one greater."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        """Of ids that ascend."""
        rest = iter(ids)
        self._blocks: list[list[str]] = []  # none is empty
        while block := list(islice(rest, BLOCK_IDS)):
            self._blocks.append(block)

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._blocks)

    def append(self, new: str) -> None:
        """Adds one that is greater than all others."""
        if not self._blocks or len(self._blocks[-1]) == BLOCK_IDS:
            self._blocks.append([])
        self._blocks[-1].append(new)

    def remove(self, gone: str) -> None:
        """Takes one out that is there."""
        at = self._block_of(gone)
        block = self._blocks[at]
        del block[bisect_left(block, gone)]
        if not block:
            del self._blocks[at]

    def behind(self, last: str) -> Iterator[str]:
        """Those that are greater, be this one there or not."""
        at = self._block_of(last)
        block = self._blocks[at] if self._blocks else []
        first = islice(block, bisect_right(block, last), None)
        return chain(first, chain.from_iterable(islice(self._blocks, at + 1, None)))

    def _block_of(self, sought: str) -> int:
        """The block in which an id is, if it is there."""
        return max(0, bisect_right(self._blocks, sought, key=lambda block: block[0]) - 1)
