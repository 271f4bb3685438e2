"""The form of the history database: who writes brings it up to date, who reads checks it.

Alembic, which applies the steps, is imported when there is one to apply: it takes longer to load
than all else in the history process.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect

from ringfence.server.followers.history.database import POSTGRESQL, HistoryError

if TYPE_CHECKING:
    from alembic.config import Config

NEWEST = "0001"
"""The revision that the last of the steps leads to."""

_LOCK = 0x72696E6766656E63  # of PostgreSQL; any number that nobody else takes


def bring_up_to_date(engine: Engine) -> None:
    """Makes the tables, or changes older ones, in one transaction; again changes nothing.

    Raises HistoryError for a database that a newer version has written.
    """
    with engine.begin() as connection:
        if engine.dialect.name == POSTGRESQL:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            _check_encoding(connection)
        if _revision(connection) != NEWEST:
            _apply_steps(connection)


def _check_encoding(connection: Connection) -> None:
    """Notes are in any language: one that could not be stored would stop the history for ever."""
    encoding: str = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise HistoryError(
            f"the history database cannot hold every text: encoding={encoding}, needed=UTF8"
        )


def check_up_to_date(connection: Connection) -> None:
    """Raises HistoryError unless the tables are those of this version."""
    if (revision := _revision(connection)) == NEWEST:
        return
    _check_known(revision)
    raise HistoryError(
        f"the history database has an older form: revision={revision or 'none'},"
        f" needed={NEWEST}; a start of the server brings it up to date"
    )


def _apply_steps(connection: Connection) -> None:
    from alembic import command

    _check_known(_revision(connection))
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def alembic_config() -> "Config":
    """Where Alembic finds the steps."""
    from alembic.config import Config

    config = Config()
    config.set_main_option(
        "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
    )
    return config


def _revision(connection: Connection) -> str | None:
    """The revision of a database, None without any tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _check_known(revision: str | None) -> None:
    """Raises HistoryError for a revision that a newer version has written."""
    from alembic.script import ScriptDirectory

    known = {
        step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions()
    }
    if revision is not None and revision not in known:
        raise HistoryError(
            f"the history database was written by a newer version: revision={revision},"
            f" newest known={NEWEST}; use that version, or another database"
        )
