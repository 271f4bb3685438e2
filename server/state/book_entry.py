"""A reservation in the keeper's book: what is asked of many at once, and the whole as bytes.

As bytes a number takes 8 of them and a refusal 13, each twice, as the first answer names them too;
as messages in memory they would take some times that. The book keeps rows, plain tuples of texts
and numbers: these Python's garbage collector leaves alone, where it would look at a million other
objects again and again, and the loop wait for it.
"""

from dataclasses import dataclass
from typing import Any

from ringfence.server.journal.keeper_value_pb2 import KeptReservation
from ringfence.v1 import types_pb2

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class BookEntry:
    """A reservation without what grows with its numbers. Times are unix seconds."""

    id: str
    pool: int
    state: types_pb2.ReservationState
    count: int
    """Numbers that it holds, or has given."""
    size: int
    """These and those that it refused."""
    created_at: int
    expires_at: int
    ended_at: int
    actor: str
    request_id: str
    data: bytes
    """All of it."""

    def whole(self) -> KeptReservation:
        """The reservation, as it was kept."""
        return KeptReservation.FromString(self.data)

    def row(self) -> Row:
        """As the book keeps it; `BookEntry(*row)` is it again. The last cell is `data`."""
        return (
            self.id,
            self.pool,
            self.state,
            self.count,
            self.size,
            self.created_at,
            self.expires_at,
            self.ended_at,
            self.actor,
            self.request_id,
            self.data,
        )


def book_entry(kept: KeptReservation) -> BookEntry:
    """A reservation as the book keeps it."""
    return _entry(kept, kept.SerializeToString())


def read_entry(data: bytes) -> BookEntry:
    """A reservation of a book that kept it as these bytes; raises DecodeError."""
    return _entry(KeptReservation.FromString(data), data)


def _entry(kept: KeptReservation, data: bytes) -> BookEntry:
    return BookEntry(
        id=kept.id,
        pool=kept.pool,
        state=kept.state,
        count=len(kept.numbers),
        size=len(kept.numbers) + len(kept.refused),
        created_at=kept.created_at,
        expires_at=kept.expires_at,
        ended_at=kept.ended_at,
        actor=kept.actor,
        request_id=kept.request_id,
        data=data,
    )
