"""Writes values of the keeper's journal into the history database: each once, and none left out.

Every transaction begins by moving the remembered position on from where this writer believes it
to be. So the rows and the position are committed together or not at all, and of two writers (one
that was killed may still be committing) the second finds that the position has moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    Table,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ringfence.server.followers.history.bulk_insert import insert_changes
from ringfence.server.followers.history.change_rows import change_columns, joined
from ringfence.server.followers.history.database import POSTGRESQL, HistoryError
from ringfence.server.followers.history.tables import (
    COMPLAINTS,
    DECISIONS,
    HOLES,
    PLACES,
    POOLS,
    PROGRESS,
    RESERVATIONS,
)
from ringfence.server.journal.keeper_value_pb2 import KeeperValue, KeptReservation
from ringfence.server.keeper.changes.journal_feed import value_digest


class PositionMoved(HistoryError):
    """Another writer has moved the position meanwhile: read it again, and go on from there."""


@dataclass(frozen=True)
class Progress:
    """How far the journal is in the database."""

    position: int
    digest: bytes
    """`value_digest` of the value at the position; empty = unknown."""


class HistoryWriter:
    """The one writer of a history database, for one thread at a time."""

    def __init__(self, engine: Engine, folder_id: bytes) -> None:
        self._engine = engine
        self._folder_id = folder_id
        self._insert = postgresql.insert if engine.dialect.name == POSTGRESQL else sqlite.insert
        self.progress = Progress(0, b"")

    def load_progress(self, *, shared: bool) -> Progress:
        """Reads how far the journal is in the database, which begins at 0.

        Raises HistoryError for a `shared` database, one outside the data folder, that another
        installation writes; one in the folder is taken along when the folder is copied.
        """
        with self._engine.begin() as connection:
            row = connection.execute(select(PROGRESS)).one_or_none()
            if row is None:
                connection.execute(
                    self._insert(PROGRESS)
                    .values(id=1, position=0, digest=b"", folder_id=self._folder_id)
                    .on_conflict_do_nothing()
                )
                self.progress = Progress(0, b"")
                return self.progress
            if shared and row.folder_id != self._folder_id:
                raise HistoryError(
                    "the history database belongs to another installation:"
                    f" folder_id={row.folder_id.hex()}, ours={self._folder_id.hex()};"
                    " give this one a database of its own"
                )
        self.progress = Progress(row.position, row.digest)
        return self.progress

    def write(self, values: Sequence[tuple[int, bytes]]) -> None:
        """Writes the values that follow the progress, in one transaction.

        Raises HistoryError, PositionMoved, and SQLAlchemy's errors; then nothing is written.
        """
        parsed = [(position, _parsed(position, data)) for position, data in values]
        last, data = values[-1]
        progress = Progress(last, value_digest(data))
        with self._engine.begin() as connection:
            self._move(connection, progress)
            self._write_decisions(connection, parsed)
            placed = connection.execute(select(PLACES.c.place, PLACES.c.pool))
            pools = {place: pool for place, pool in placed}
            columns = []
            for position, value in parsed:
                self._place_pools(connection, value, pools)
                self._write_reservations(connection, position, value, pools)
                self._write_complaints(connection, position, value, pools)
                columns.append(change_columns(position, value, pools))
            insert_changes(connection, joined(columns))
        self.progress = progress

    def skip(self, oldest: int, pools: Mapping[int, str], now: int) -> None:
        """Goes on at the oldest position that the journal has, and records what is missing before.

        `pools` has the names of the places at present, which the lost values would have told.
        """
        progress = Progress(oldest - 1, b"")
        with self._engine.begin() as connection:
            hole = {"after": self.progress.position, "before": oldest, "found_at": now}
            self._move(connection, progress)
            connection.execute(insert(HOLES).values(hole))
            for place, name in pools.items():
                self._place_pool(connection, place, name)
        self.progress = progress

    def _move(self, connection: Connection, progress: Progress) -> None:
        moved = connection.execute(
            update(PROGRESS)
            .where(PROGRESS.c.position == self.progress.position)
            .values(position=progress.position, digest=progress.digest, folder_id=self._folder_id)
        )
        if moved.rowcount != 1:
            raise PositionMoved(
                f"another writer has moved the position: ours={self.progress.position}"
            )

    def _write_decisions(
        self, connection: Connection, values: Sequence[tuple[int, KeeperValue]]
    ) -> None:
        self._put(
            connection,
            DECISIONS,
            [
                {
                    "position": position,
                    "decided_at": value.decided_at,
                    "command": value.command,
                    "actor": _claimed(value.actor),
                    "note": _text(value.note),
                }
                for position, value in values
                if value.headers or value.keys or value.complaints
            ],
        )

    def _place_pools(
        self, connection: Connection, value: KeeperValue, pools: dict[int, int]
    ) -> None:
        for placed in value.pools:
            pools[placed.index] = self._place_pool(connection, placed.index, placed.pool.name)

    def _place_pool(self, connection: Connection, place: int, name: str) -> int:
        connection.execute(self._insert(POOLS).values(name=name).on_conflict_do_nothing())
        pool: int = connection.execute(select(POOLS.c.id).where(POOLS.c.name == name)).scalar_one()
        connection.execute(
            self._insert(PLACES)
            .values(place=place, pool=pool)
            .on_conflict_do_update(index_elements=["place"], set_={"pool": pool})
        )
        return pool

    def _write_reservations(
        self,
        connection: Connection,
        position: int,
        value: KeeperValue,
        pools: Mapping[int, int],
    ) -> None:
        for reservation in value.reservations:
            row = _reservation_row(position, reservation, pools)
            put = self._insert(RESERVATIONS).values(row)
            connection.execute(
                put.on_conflict_do_update(
                    index_elements=["id"],
                    set_={name: put.excluded[name] for name in row if name != "id"},
                    where=put.excluded.position > RESERVATIONS.c.position,
                )
            )

    def _write_complaints(
        self,
        connection: Connection,
        position: int,
        value: KeeperValue,
        pools: Mapping[int, int],
    ) -> None:
        self._put(
            connection,
            COMPLAINTS,
            [
                {
                    "position": position,
                    "row": row,
                    "number": complaint.number,
                    "pool": pools.get(complaint.pool),
                    "policy": complaint.policy,
                    "assigned_at": complaint.assigned_at,
                    "received_at": complaint.received_at,
                }
                for row, complaint in enumerate(value.complaints)
            ],
        )

    def _put(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Inserts rows; one whose key is there already changes nothing."""
        if rows:
            statement: Insert = self._insert(table).on_conflict_do_nothing()
            connection.execute(statement, rows)


def _parsed(position: int, data: bytes) -> KeeperValue:
    try:
        return KeeperValue.FromString(data)
    except DecodeError:
        raise HistoryError(f"not a value of the keeper's journal: position={position}") from None


def _claimed(actor: str) -> str:
    """Who asked, marked as said by themselves: nothing proves it."""
    return f"{_text(actor)} (claimed)" if actor else ""


def _text(given: str) -> str:
    """Text as PostgreSQL takes it: what it refuses would stop the history for ever."""
    return given.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _reservation_row(
    position: int, reservation: KeptReservation, pools: Mapping[int, int]
) -> dict[str, object]:
    return {
        "id": reservation.id,
        "position": position,
        "pool": pools.get(reservation.pool),
        "state": reservation.state,
        "numbers": len(reservation.numbers),
        "refused": len(reservation.refused),
        "created_at": reservation.created_at,
        "expires_at": reservation.expires_at,
        "ended_at": reservation.ended_at or None,
        "actor": _claimed(reservation.actor),
    }
