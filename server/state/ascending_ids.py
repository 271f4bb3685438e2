"""Ids in ascending order, of which any may go: in blocks, so that this moves few others.

A block that is full is a tuple of texts: Python's garbage collector leaves it alone.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain, islice

BLOCK_IDS = 1_024


class AscendingIds:
    """Distinct ids, each later one greater."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        """Of ids that ascend."""
        rest = iter(ids)
        self._blocks: list[tuple[str, ...]] = []  # none is empty
        self._newest: list[str] = []  # behind them
        while block := tuple(islice(rest, BLOCK_IDS)):
            self._blocks.append(block)

    def __iter__(self) -> Iterator[str]:
        return chain(chain.from_iterable(self._blocks), self._newest)

    def append(self, new: str) -> None:
        """Adds one that is greater than all others."""
        self._newest.append(new)
        if len(self._newest) == BLOCK_IDS:
            self._blocks.append(tuple(self._newest))
            self._newest = []

    def remove(self, gone: str) -> None:
        """Takes one out that is there."""
        if self._newest and gone >= self._newest[0]:
            del self._newest[bisect_left(self._newest, gone)]
            return
        at = self._block_of(gone)
        block = self._blocks[at]
        index = bisect_left(block, gone)
        if len(block) > 1:
            self._blocks[at] = block[:index] + block[index + 1 :]
        else:
            del self._blocks[at]

    def behind(self, last: str) -> Iterator[str]:
        """Those that are greater, be this one there or not."""
        at = self._block_of(last)
        block = self._blocks[at] if self._blocks else ()
        return chain(
            islice(block, bisect_right(block, last), None),
            chain.from_iterable(islice(self._blocks, at + 1, None)),
            islice(self._newest, bisect_right(self._newest, last), None),
        )

    def _block_of(self, sought: str) -> int:
        """The full block in which an id is, if it is in one."""
        return max(0, bisect_right(self._blocks, sought, key=lambda block: block[0]) - 1)
