"""The form of the history database: who writes brings it up to date, who reads checks it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from ringfence.server.followers.history.database import POSTGRESQL, HistoryError

_LOCK = 0x72696E6766656E63  # of PostgreSQL; any number that nobody else takes


def bring_up_to_date(engine: Engine) -> None:
    """Makes the tables, or changes older ones, in one transaction; again changes nothing.

    Raises HistoryError for a database that a newer version has written.
    """
    with engine.begin() as connection:
        if engine.dialect.name == POSTGRESQL:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            _check_encoding(connection)
        config = _config()
        if _revision(connection, config) != _newest(config):
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _check_encoding(connection: Connection) -> None:
    """Notes are in any language: one that could not be stored would stop the history for ever."""
    encoding: str = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise HistoryError(
            f"the history database cannot hold every text: encoding={encoding}, needed=UTF8"
        )


def check_up_to_date(connection: Connection) -> None:
    """Raises HistoryError unless the tables are those of this version."""
    config = _config()
    newest = _newest(config)
    if (revision := _revision(connection, config)) != newest:
        raise HistoryError(
            f"the history database has an older form: revision={revision or 'none'},"
            f" needed={newest}; a start of the server brings it up to date"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option(
        "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
    )
    return config


def _newest(config: Config) -> str | None:
    return ScriptDirectory.from_config(config).get_current_head()


def _revision(connection: Connection, config: Config) -> str | None:
    """The revision of a database, None without any tables; raises HistoryError if it is newer."""
    revision = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise HistoryError(
            f"the history database was written by a newer version: revision={revision},"
            f" newest known={scripts.get_current_head()}; use that version, or another database"
        )
    return revision
