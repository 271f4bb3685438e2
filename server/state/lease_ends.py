"""Which leases end when: live reservations, by the second in which their lease is over."""

import heapq
from collections import OrderedDict
from itertools import islice

from ringfence.server.state.book_entry import BookEntry


class LeaseEnds:
    """Ids, each once; a lease that was extended has left nothing of its former end but the second,
    which goes when it is over.
    """

    def __init__(self) -> None:
        self._ids: dict[int, OrderedDict[str, None]] = {}
        self._seconds: list[int] = []  # a heap of its keys

    def add(self, entry: BookEntry) -> None:
        """A reservation is live."""
        if entry.expires_at not in self._ids:
            self._ids[entry.expires_at] = OrderedDict()
            heapq.heappush(self._seconds, entry.expires_at)
        self._ids[entry.expires_at][entry.id] = None

    def drop(self, entry: BookEntry) -> None:
        """It is not any more, or its lease ends at another time."""
        del self._ids[entry.expires_at][entry.id]

    def due(self, now: int, most: int) -> list[str]:
        """Up to so many whose lease is over, oldest lease first; they stay until dropped."""
        found: list[str] = []
        seconds = []
        while self._seconds and self._seconds[0] <= now and len(found) < most:
            second = heapq.heappop(self._seconds)
            if self._ids[second]:
                found += islice(self._ids[second], most - len(found))
                seconds.append(second)
            else:
                del self._ids[second]
        for second in seconds:
            heapq.heappush(self._seconds, second)
        return found
