"""ListHistory: pages of changes, newest first, straight off the indexes, in slices.

A page token is the place of the page's last entry, and so is where a slice goes on. Newer entries
come before it and move nothing, and what is behind it never changes: slices need no transaction in
common.
"""

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, select, tuple_

from ringfence.engine.number import is_number
from ringfence.server.followers.history.tables import CHANGES, DECISIONS, POOLS
from ringfence.server.link.paging import PAGE_BYTES_MAX, page_position, page_size, page_token
from ringfence.server.link.refusal import bad_field
from ringfence.v1.number_service_pb2 import HistoryEntry, ListHistoryRequest, ListHistoryResponse

ENTRIES_A_SLICE = 128  # about 2 ms
ENTRY_COST_BYTES = 8  # in a response, besides its own bytes
POSITION_MAX = 2**63 - 1
TIME_MAX = 2**32


class HistoryPage:
    """A page of what is committed; in one thread at a time."""

    def __init__(self, engine: Engine, request: ListHistoryRequest) -> None:
        """Raises a refusal for a bad field."""
        self._engine = engine
        self._request = request
        self._size = page_size(request.page_size)
        if request.number and not is_number(request.number):
            raise bad_field("number", f"value={request.number}, bound=7 to 15 digits")
        self._since = _moment(request.since) if request.HasField("since") else None
        self._until = _moment(request.until) if request.HasField("until") else None
        self._question = ("history", request.number, request.pool, self._since, self._until)
        token = page_position(self._question, request.page_token)
        self._place = _place(token) if token else None  # of the last entry
        self._statement: Select[tuple[object, ...]] | None = None
        self._pieces: list[bytes] = []
        self._entries = 0
        self._entries_bytes = 0

    @property
    def encoded(self) -> bytes:
        """What was read so far, as a ListHistoryResponse."""
        return b"".join(self._pieces)

    def read(self) -> bool:
        """Reads a slice; whether the page is whole. Raises SQLAlchemy's errors."""
        # One more than asked for says that there is another page.
        wanted = min(ENTRIES_A_SLICE, self._size + 1 - self._entries)
        with self._engine.begin() as connection:
            if self._statement is None:
                self._statement = _statement(connection, self._request, self._since, self._until)
            statement = self._statement
            if self._place is not None:
                place = tuple_(CHANGES.c.position, CHANGES.c.row)
                statement = statement.where(place < tuple_(*self._place))
            rows = connection.execute(statement.limit(wanted)).all()
        piece = ListHistoryResponse()
        whole = len(rows) < wanted
        for row in rows:
            entry = _entry(row)
            self._entries_bytes += entry.ByteSize() + ENTRY_COST_BYTES
            if self._entries == self._size or self._entries_bytes > PAGE_BYTES_MAX:
                assert self._place is not None
                position, index = self._place
                piece.next_page_token = page_token(self._question, f"{position}.{index}")
                whole = True
                break
            piece.entries.append(entry)
            self._entries += 1
            self._place = row.position, row.row
        self._pieces.append(piece.SerializeToString())
        return whole


def _statement(
    connection: Connection, request: ListHistoryRequest, since: int | None, until: int | None
) -> Select[tuple[object, ...]]:
    statement: Select[tuple[object, ...]] = (
        select(
            CHANGES.c.position,
            CHANGES.c.row,
            CHANGES.c.number,
            CHANGES.c.previous,
            CHANGES.c.current,
            CHANGES.c.reservation,
            POOLS.c.name,
            DECISIONS.c.decided_at,
            DECISIONS.c.command,
            DECISIONS.c.actor,
            DECISIONS.c.note,
        )
        .join(DECISIONS, DECISIONS.c.position == CHANGES.c.position)
        .outerjoin(POOLS, POOLS.c.id == CHANGES.c.pool)
        .order_by(CHANGES.c.position.desc(), CHANGES.c.row.desc())
    )
    wanted: list[ColumnElement[bool]] = []
    if request.number:
        wanted.append(CHANGES.c.number == request.number)
    if request.pool:
        pool = connection.execute(
            select(POOLS.c.id).where(POOLS.c.name == request.pool)
        ).scalar_one_or_none()
        wanted.append(CHANGES.c.pool == (-1 if pool is None else pool))
    if since is not None:
        wanted.append(CHANGES.c.position >= _first_at(connection, since))
    if until is not None:
        wanted.append(CHANGES.c.position < _first_at(connection, until))
    return statement.where(*wanted)


def _first_at(connection: Connection, moment: int) -> int:
    """The position of the first decision at or after a moment: they are in the order of time."""
    found = connection.execute(
        select(DECISIONS.c.position)
        .where(DECISIONS.c.decided_at >= moment)
        .order_by(DECISIONS.c.decided_at, DECISIONS.c.position)
        .limit(1)
    ).scalar_one_or_none()
    return POSITION_MAX if found is None else found


def _moment(given: Timestamp) -> int:
    """The first whole second that is not before the given time; changes are at whole seconds."""
    return min(max(given.seconds, 0), TIME_MAX) + (given.nanos > 0)


def _place(token: str) -> tuple[int, int]:
    position, _, row = token.partition(".")
    try:
        return int(position), int(row)
    except ValueError:
        raise bad_field("page_token", "value=not a token of this list") from None


def _entry(row: Row[tuple[object, ...]]) -> HistoryEntry:
    entry = HistoryEntry(
        number=row.number,
        pool=row.name or "",
        previous=row.previous,
        current=row.current,
        command=row.command,
        actor=row.actor,
        note=row.note,
        reservation=row.reservation or "",
    )
    entry.changed_at.seconds = row.decided_at
    return entry
