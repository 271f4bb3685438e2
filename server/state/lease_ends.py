"""Which leases end when: live reservations, by the second in which their lease is over."""

import heapq
from itertools import islice

from ringfence.server.state.book_entry import BookEntry
from ringfence.server.state.lines import Lines
from ringfence.server.state.parted_dict import PartedDict


class LeaseEnds:
    """Ids, each once; a lease that was extended has left nothing of its former end but the second,
    which goes when it is over.
    """

    def __init__(self) -> None:
        self._ids: Lines[int, str] = Lines()
        self._seconds: list[int] = []  # a heap, each once
        self._known: PartedDict[int, None] = PartedDict()  # these seconds

    def add(self, entry: BookEntry) -> None:
        """A reservation is live."""
        if entry.expires_at not in self._known:
            self._known[entry.expires_at] = None
            heapq.heappush(self._seconds, entry.expires_at)
        self._ids.append(entry.expires_at, entry.id)

    def drop(self, entry: BookEntry) -> None:
        """It is not any more, or its lease ends at another time."""
        self._ids.remove(entry.expires_at, entry.id)

    def due(self, now: int, most: int) -> list[str]:
        """Up to so many whose lease is over, oldest lease first; they stay until dropped."""
        found: list[str] = []
        seconds = []
        while self._seconds and self._seconds[0] <= now and len(found) < most:
            second = heapq.heappop(self._seconds)
            if self._ids.first(second) is None:
                del self._known[second]
            else:
                found += islice(self._ids.walk(second), most - len(found))
                seconds.append(second)
        for second in seconds:
            heapq.heappush(self._seconds, second)
        return found
