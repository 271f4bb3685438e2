"""A history database that was lost, restored, or of another journal: said, never guessed."""

import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, inspect, select, text
from support import history_values as values
from support.history_keeper import HistoryInstallation, history_installation
from support.history_values import NUMBERS, START
from support.postgres_cluster import DATABASES, NEEDS_POSTGRESQL, PostgresCluster
from support.server_process import wait_until

from ringfence.engine.memory.one_time import boottime_ns
from ringfence.engine.settings.new_segment import new_segment
from ringfence.engine.settings.policy import Policy, Pool, Rule
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.words import Measure
from ringfence.server.config.config import load_config
from ringfence.server.followers.history.database import HistoryError, open_reader, open_writer
from ringfence.server.followers.history.exports import holes
from ringfence.server.followers.history.schema import (
    NEWEST,
    alembic_config,
    bring_up_to_date,
    check_up_to_date,
)
from ringfence.server.followers.history.tables import METADATA, PROGRESS
from ringfence.server.followers.history.writer import HistoryWriter, PositionMoved


@pytest.fixture
def history() -> Iterator[HistoryInstallation]:
    """An installation with SQLite and no history process yet."""
    with history_installation() as made:
        yield made


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'history.db'}"
    return str(request.getfixturevalue("cluster").new_database())


def filled(history: HistoryInstallation, steps: int, first: int = 0) -> int:
    """Appends some changes; the last position."""
    for step in range(first, first + steps):
        last = history.keeper.append(values.quarantined([NUMBERS[step]], START + step))
    return last


def truncate(history: HistoryInstallation, upto: int) -> None:
    """Has the journal let go of values."""
    history.keeper.journal.truncate(upto)
    wait_until(lambda: history.keeper.journal.first > upto)


def refusal(history: HistoryInstallation) -> str:
    """Why ListHistory is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        history.list_history()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    return str(caught.value.details())


@pytest.mark.slow
def test_lost_database_begins_again_and_the_hole_is_kept(history: HistoryInstallation) -> None:
    history.keeper.append(values.settings())
    filled(history, 6)
    truncate(history, 4)
    config = load_config()
    segment = new_segment(
        history.run_folder / "segment",
        capacity_numbers=config.server.capacity_numbers,
        ring_entries=config.server.ring_entries,
        folder_id=(history.data / "folder_id").read_bytes(),
        spray=config.spray_settings,
    )
    policies = [Policy("quiet", (Rule(Measure.EVENTS, 86_400, 3),))]
    publish_settings(segment, policies, [Pool("was-in-the-hole", "quiet")])
    segment.publish_time(time.time_ns() - boottime_ns())  # as a keeper does at its start
    history.start_history()
    history.wait_for(7)
    entries = history.pages()
    assert [NUMBERS.index(entry.number) for entry in entries] == [5, 4, 3]
    assert {entry.pool for entry in entries} == {"was-in-the-hole"}
    assert "the history has a hole" in history.log
    engine = open_reader(history.url)
    with engine.connect() as connection:
        assert holes(connection) == [(0, 5)]
    engine.dispose()


@pytest.mark.slow
def test_truncation_behind_the_confirmed_position_is_no_hole(history: HistoryInstallation) -> None:
    history.start_history()
    history.keeper.append(values.settings())
    history.wait_for(filled(history, 4))
    history.stop_history(signal.SIGKILL)
    truncate(history, 4)  # the last stays
    history.keeper.stop()
    history.keeper.start()
    filled(history, 2, first=4)
    truncate(history, 5)  # nothing is left to compare the database with
    history.start_history()
    history.wait_for(7)
    assert len(history.pages()) == 6
    assert "hole" not in history.log


@pytest.mark.slow
def test_database_ahead_of_the_journal_is_not_written(history: HistoryInstallation) -> None:
    history.keeper.append(values.settings())
    old_journal = history.data / "older"
    history.keeper.stop()
    shutil.copytree(history.data / "journal", old_journal)
    history.keeper.start()
    history.start_history()
    history.wait_for(filled(history, 3))
    history.stop_history()
    history.keeper.stop()
    shutil.rmtree(history.data / "journal")
    shutil.copytree(old_journal, history.data / "journal")  # restored from a backup
    history.keeper.start()
    history.start_history()
    wait_until(lambda: "not of this journal" in history.log)
    assert "the journal ends before: last=1, asked after position=4" in refusal(history)
    filled(history, 5, first=10)  # the journal goes past the database, with other values
    wait_until(lambda: "the journal holds another value: position=4" in history.log)
    assert "restore the database of the same time, or begin a new one" in refusal(history)
    engine = create_engine(history.url)
    with engine.connect() as connection:
        assert connection.execute(select(PROGRESS.c.position)).scalar_one() == 4
    engine.dispose()


@pytest.mark.slow
def test_older_backup_of_the_database_catches_up(history: HistoryInstallation) -> None:
    history.start_history()
    history.keeper.append(values.settings())
    history.wait_for(filled(history, 2))
    history.stop_history()
    shutil.copy(history.data / "history.db", history.data / "backup")
    history.start_history()
    history.wait_for(filled(history, 3, first=2))
    history.stop_history()
    shutil.copy(history.data / "backup", history.data / "history.db")
    history.keeper.backlog.confirm(0)
    history.start_history()
    history.wait_for(6)
    assert [NUMBERS.index(entry.number) for entry in history.pages()] == [4, 3, 2, 1, 0]


@NEEDS_POSTGRESQL
@pytest.mark.slow
def test_database_of_another_installation_is_not_touched(cluster: PostgresCluster) -> None:
    url = cluster.new_database()
    with history_installation(url) as owner, history_installation(url) as other:
        owner.start_history()
        owner.wait_for(filled(owner, 1))
        other.start_history()
        filled(other, 2)
        wait_until(lambda: "another installation" in other.log)
        assert "give this one a database of its own" in refusal(other)
        assert len(owner.pages()) == 1


@pytest.mark.slow
def test_copied_folder_takes_its_history_along(history: HistoryInstallation) -> None:
    history.start_history()
    history.wait_for(filled(history, 1))
    history.stop_history()
    (history.data / "folder_id").write_bytes(secrets.token_bytes(16))
    history.start_history()
    history.wait_for(filled(history, 1, first=1))
    assert len(history.pages()) == 2


def test_of_two_writers_the_second_finds_the_position_moved(url: str) -> None:
    engines = [open_writer(url), open_writer(url)]
    bring_up_to_date(engines[0])
    first, second = (HistoryWriter(engine, bytes(16)) for engine in engines)
    for writer in (first, second):
        assert writer.load_progress(shared=False).position == 0
    value = values.quarantined(NUMBERS[:2], START).SerializeToString()
    first.write([(1, value)])
    with pytest.raises(PositionMoved):
        second.write([(1, value)])
    assert second.load_progress(shared=False).position == 1
    for engine in engines:
        engine.dispose()


def test_migrations_make_the_tables_and_change_nothing_again(url: str) -> None:
    engine = open_writer(url)
    bring_up_to_date(engine)
    bring_up_to_date(engine)
    with engine.connect() as connection:
        check_up_to_date(connection)
        assert ScriptDirectory.from_config(alembic_config()).get_current_head() == NEWEST
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_migration_that_is_cut_off_leaves_nothing(url: str) -> None:
    engine = open_writer(url)

    def cut(_: object, __: object, statement: str, *___: object) -> None:
        if "CREATE TABLE changes" in statement:
            raise InterruptedError

    event.listen(engine, "before_cursor_execute", cut)
    with pytest.raises(InterruptedError):
        bring_up_to_date(engine)
    assert inspect(engine).get_table_names() == []
    event.remove(engine, "before_cursor_execute", cut)
    bring_up_to_date(engine)
    engine.dispose()


def test_newer_database_is_refused_by_name(url: str) -> None:
    engine = open_writer(url)
    bring_up_to_date(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    newer = "written by a newer version: revision=9999"
    with pytest.raises(HistoryError, match=newer):
        bring_up_to_date(engine)
    with engine.connect() as connection, pytest.raises(HistoryError, match=newer):
        check_up_to_date(connection)
    engine.dispose()


def test_older_database_is_not_read(url: str) -> None:
    engine = open_writer(url)
    with (
        engine.connect() as connection,
        pytest.raises(HistoryError, match="an older form: revision=none, needed="),
    ):
        check_up_to_date(connection)
    engine.dispose()


@NEEDS_POSTGRESQL
@pytest.mark.slow
def test_database_of_another_encoding_is_refused(cluster: PostgresCluster) -> None:
    engine = open_writer(cluster.new_database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"))
    with pytest.raises(HistoryError, match="encoding=LATIN1, needed=UTF8"):
        bring_up_to_date(engine)
    engine.dispose()


def test_reader_does_not_write(url: str) -> None:
    engine = open_writer(url)
    bring_up_to_date(engine)
    engine.dispose()
    reader = open_reader(url)
    with reader.connect() as connection, pytest.raises(Exception, match=r"read.?only"):
        connection.execute(text("DELETE FROM progress"))
    reader.dispose()


def test_commits_are_durable_whatever_the_database_is_set_to(url: str) -> None:
    engine = open_writer(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        else:  # the cluster of the tests has it off
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
    engine.dispose()
