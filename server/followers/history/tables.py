"""The tables of the history database, the same in SQLite and PostgreSQL.

    decisions ──< changes      what one value of the keeper's journal decided, and each number in it
        │    └──< complaints
    reservations               each as its newest value leaves it
    pools ──< places           names of pools, and which name a place of the journal has at present
    progress, holes            up to where the journal was written here, and what was lost before

Times are unix seconds; positions are the keeper's journal's. Rows of `decisions`, `changes` and
`complaints` are never changed. Times of decisions never go back, so that their order is the order
of the positions, and a question about a time is one about positions.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

METADATA = MetaData()

DECISIONS = Table(
    "decisions",
    METADATA,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("command", Text, nullable=False),  # empty = time or events, no rpc
    Column("actor", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index("decisions_by_time", "decided_at", "position"),
    sqlite_with_rowid=False,
)

CHANGES = Table(
    "changes",
    METADATA,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("row", Integer, primary_key=True, autoincrement=False),  # in the journal's value
    Column("number", BigInteger, nullable=False),
    Column("pool", Integer),  # id in pools, not declared: that doubles the time of an insert
    Column("previous", SmallInteger, nullable=False),  # verdicts
    Column("current", SmallInteger, nullable=False),
    # As the command leaves the number; NULL = no command, only the verdict has changed.
    Column("state", SmallInteger),
    Column("quarantined_at", BigInteger),
    Column("reason", SmallInteger),
    Column("reservation", Text),  # NULL = none
    Index("changes_by_number", "number", "position", "row"),
    Index("changes_by_pool", "pool", "position", "row"),
    sqlite_with_rowid=False,
)

INCOMING = Table(
    "incoming",
    MetaData(),  # not one that stays
    *(Column(column.name, column.type) for column in CHANGES.columns),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DELETE ROWS",
)

COMPLAINTS = Table(
    "complaints",
    METADATA,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False, index=True),
    Column("pool", Integer, ForeignKey("pools.id")),
    Column("policy", Text, nullable=False),
    Column("assigned_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
)

RESERVATIONS = Table(
    "reservations",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),  # of the value that left it so
    Column("pool", Integer, ForeignKey("pools.id")),
    Column("state", SmallInteger, nullable=False),
    Column("numbers", Integer, nullable=False),  # how many it holds or has given
    Column("refused", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # NULL = not yet
    Column("actor", Text, nullable=False),
)

POOLS = Table(
    "pools",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

PLACES = Table(
    "places",
    METADATA,
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("pool", Integer, ForeignKey("pools.id"), nullable=False),
)

PROGRESS = Table(
    "progress",
    METADATA,
    Column("id", Integer, CheckConstraint("id = 1", name="progress_once"), primary_key=True),
    Column("position", BigInteger, nullable=False),  # everything up to here is in the tables
    Column("digest", LargeBinary, nullable=False),  # of the value at the position; empty = unknown
    Column("folder_id", LargeBinary, nullable=False),  # whose journal it is
)

HOLES = Table(
    "holes",
    METADATA,
    Column("after", BigInteger, primary_key=True, autoincrement=False),
    Column("before", BigInteger, nullable=False),  # the oldest position that was there again
    Column("found_at", BigInteger, nullable=False),
)
