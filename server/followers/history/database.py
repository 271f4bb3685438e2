"""Opening the history database: what SQLite and PostgreSQL need so that committed means durable.

The journal lets go of what was committed here, so a commit must survive the loss of power:
SQLite runs with synchronous=FULL, and PostgreSQL with synchronous_commit, whatever its
configuration says.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ringfence.server.config.config import HistoryTable

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
FILE = "history.db"
BUSY_MS = 10_000
CONNECT_S = 10
ANSWER_MS = 30_000  # without a sign of life of the other end


class HistoryError(Exception):
    """The history database cannot be used; the text says why and how to go on."""


def history_url(config: HistoryTable, data: Path) -> str:
    """Where the history of a data folder is: as configured, or a file in the folder."""
    file = URL.create(SQLITE, database=str(data / FILE))
    return config.url or file.render_as_string()


def open_writer(url: str) -> Engine:
    """The database for the one who writes it; connects when it is used."""
    return _open(url, "IMMEDIATE")


def open_reader(url: str) -> Engine:
    """The database for those who only read it; connects when it is used."""
    reader = _open(url, "DEFERRED")

    @event.listens_for(reader, "connect")
    def only_read(connection: Any, _: object) -> None:
        statement = (
            "PRAGMA query_only = ON"
            if reader.dialect.name == SQLITE
            else "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
        )
        connection.execute(statement)
        if reader.dialect.name == POSTGRESQL:
            connection.commit()

    return reader


def told(error: Exception) -> str:
    """What a database says went wrong, in one line and without what was sent to it."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__


def _open(url: str, begin: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == SQLITE:
            return _open_sqlite(url, begin)
        return _open_postgresql(url)
    except (ArgumentError, NoSuchModuleError) as error:
        raise HistoryError(f"not a history database: {told(error)}") from None


def _open_sqlite(url: str, begin: str) -> Engine:
    engine = create_engine(url, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        if begin == "IMMEDIATE":
            connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Any) -> None:
        connection.exec_driver_sql(f"BEGIN {begin}")

    return engine


def _open_postgresql(url: str) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_S, "tcp_user_timeout": ANSWER_MS},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()

    return engine
