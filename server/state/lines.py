"""Keys that stand in lines, each in one at most: any may leave, and others keep their order.

As an OrderedDict for each line would have it, but in parts, see PartedDict: no step takes long,
however many there are.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

from ringfence.server.state.parted_dict import PartedDict

N = TypeVar("N")
K = TypeVar("K")


class Lines(Generic[N, K]):
    """Lines by name; one that is empty is not there."""

    def __init__(self) -> None:
        self._first: PartedDict[N, K] = PartedDict()
        self._last: PartedDict[N, K] = PartedDict()
        self._before: PartedDict[K, K] = PartedDict()  # of each key but the first
        self._behind: PartedDict[K, K] = PartedDict()  # of each key but the last

    def __len__(self) -> int:
        """How many keys stand in all lines."""
        return len(self._behind) + len(self._last)

    def first(self, name: N) -> K | None:
        """The key that has stood in a line for longest."""
        return self._first.get(name)

    def walk(self, name: N) -> Iterator[K]:
        """The keys of a line, the first one first; it may not change meanwhile."""
        key = self._first.get(name)
        while key is not None:
            yield key
            key = self._behind.get(key)

    def append(self, name: N, key: K) -> None:
        """Puts a key that stands in no line behind all others of one."""
        last = self._last.get(name)
        if last is None:
            self._first[name] = key
        else:
            self._link(last, key)
        self._last[name] = key

    def prepend(self, name: N, key: K) -> None:
        """Puts a key that stands in no line before all others of one."""
        first = self._first.get(name)
        if first is None:
            self._last[name] = key
        else:
            self._link(key, first)
        self._first[name] = key

    def remove(self, name: N, key: K) -> None:
        """Takes a key out of the line in which it stands."""
        before, behind = self._before.pop(key, None), self._behind.pop(key, None)
        if before is not None and behind is not None:
            self._link(before, behind)
        elif before is not None:
            del self._behind[before]
            self._last[name] = before
        elif behind is not None:
            del self._before[behind]
            self._first[name] = behind
        else:
            del self._first[name], self._last[name]

    def _link(self, before: K, behind: K) -> None:
        self._behind[before] = behind
        self._before[behind] = before
