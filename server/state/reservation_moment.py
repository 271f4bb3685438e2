"""The reservations of a book as they were at one moment, read while the book goes on.

Nothing is copied for it at that moment. The book is read in the order of its ids, and says of each
reservation that it is about to change, or to forget, what it was: so much is kept until it is read.
"""

from collections.abc import Callable, Mapping
from itertools import islice

from ringfence.server.state.ascending_ids import AscendingIds
from ringfence.server.state.book_entry import row_data

ENTRIES_MAX = 1_000  # taken at a time
BYTES_MAX = 1 << 20  # the same, with one more


class ReservationMoment:
    """One reading of a book. Used where the book is."""

    def __init__(
        self,
        ids: AscendingIds,
        kept: Mapping[str, bytes],
        closed: Callable[["ReservationMoment"], None],
    ) -> None:
        """`ids` and `kept` are the book's own, which go on to change."""
        self._ids = ids
        self._kept = kept
        self._closed = closed
        self._last = ""  # nothing up to here is looked at any more
        self._before: dict[str, bytes | None] = {}
        self._open = True

    def changes(self, reservation_id: str, row: bytes | None) -> None:
        """A reservation is about to change, or to be forgotten; None = it is about to be made."""
        if reservation_id > self._last:
            self._before.setdefault(reservation_id, None if row is None else row_data(row))

    def take(self) -> list[bytes]:
        """The next ones, as the book kept them; none = that were all. Those that were forgotten
        since come last.
        """
        while begun := self._behind_last():
            if taken := [data for data in begun if data is not None]:
                return taken
        taken, size_bytes = [], 0
        while self._before and len(taken) < ENTRIES_MAX and size_bytes < BYTES_MAX:
            _, data = self._before.popitem()
            if data is not None:
                taken.append(data)
                size_bytes += len(data)
        return taken

    def close(self) -> None:
        """Lets go of the book."""
        if self._open:
            self._open = False
            self._closed(self)

    def _behind_last(self) -> list[bytes | None]:
        """The next of those that the book still has; None = one that was made since."""
        found: list[bytes | None] = []
        size_bytes = 0
        for reservation_id in islice(self._ids.behind(self._last), ENTRIES_MAX):
            data = row_data(self._kept[reservation_id])
            before = self._before.pop(reservation_id, data)
            found.append(before)
            self._last = reservation_id
            size_bytes += 0 if before is None else len(before)
            if size_bytes >= BYTES_MAX:
                break
        return found
