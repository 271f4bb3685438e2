"""A reservation in the keeper's book: what is asked of many at once, and the whole as bytes.

As bytes a number takes 8 of them and a refusal 13, each twice, as the first answer names them too;
as messages in memory they would take some times that. The book keeps rows, which are bytes: these
Python's garbage collector leaves alone, where it would look at a million other objects again and
again, and the loop wait for it.
"""

import struct
from dataclasses import dataclass

from ringfence.server.journal.keeper_value_pb2 import KeptReservation
from ringfence.v1 import types_pb2

# pool, state, count, size, created_at, expires_at, ended_at, bytes of actor, and of request_id;
# behind it these two, and all of it.
_HEAD = struct.Struct("<IBIIIIIHH")


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
    row: bytes
    """As the book keeps it; `read_row` makes the same entry of it again."""

    def whole(self) -> KeptReservation:
        """The reservation, as it was kept."""
        return KeptReservation.FromString(row_data(self.row))


def row_data(row: bytes) -> bytes:
    """A whole reservation, as bytes."""
    *_, actor_bytes, request_bytes = _HEAD.unpack_from(row)
    return row[_HEAD.size + actor_bytes + request_bytes :]


def read_row(reservation_id: str, row: bytes) -> BookEntry:
    """A reservation of the book."""
    pool, state, count, size, *times, actor_bytes, request_bytes = _HEAD.unpack_from(row)
    created_at, expires_at, ended_at = times
    actor_end = _HEAD.size + actor_bytes
    return BookEntry(
        id=reservation_id,
        pool=pool,
        state=state,
        count=count,
        size=size,
        created_at=created_at,
        expires_at=expires_at,
        ended_at=ended_at,
        actor=row[_HEAD.size : actor_end].decode(),
        request_id=row[actor_end : actor_end + request_bytes].decode(),
        row=row,
    )


def book_entry(kept: KeptReservation) -> BookEntry:
    """A reservation as the book keeps it."""
    return _entry(kept, kept.SerializeToString())


def read_entry(data: bytes) -> BookEntry:
    """A reservation of a book that kept it as these bytes; raises DecodeError."""
    return _entry(KeptReservation.FromString(data), data)


def _entry(kept: KeptReservation, data: bytes) -> BookEntry:
    actor, request_id = kept.actor.encode(), kept.request_id.encode()
    head = _HEAD.pack(
        kept.pool,
        kept.state,
        len(kept.numbers),
        len(kept.numbers) + len(kept.refused),
        kept.created_at,
        kept.expires_at,
        kept.ended_at,
        len(actor),
        len(request_id),
    )
    return read_row(kept.id, b"".join((head, actor, request_id, data)))
