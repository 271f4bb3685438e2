"""What a value of the journal becomes in the tables, and that writing it again changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update
from support import history_values as values
from support.history_values import NUMBERS, START
from support.postgres_cluster import DATABASES

from ringfence.engine.words import State, Verdict
from ringfence.server.followers.history.database import HistoryError, open_writer
from ringfence.server.followers.history.schema import bring_up_to_date
from ringfence.server.followers.history.tables import (
    CHANGES,
    COMPLAINTS,
    DECISIONS,
    METADATA,
    PROGRESS,
    RESERVATIONS,
)
from ringfence.server.followers.history.writer import HistoryWriter
from ringfence.server.journal.keeper_value_pb2 import KeeperValue


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty history database."""
    url = f"sqlite:///{tmp_path / 'history.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("cluster").new_database()
    opened = open_writer(url)
    bring_up_to_date(opened)
    yield opened
    opened.dispose()


def journal() -> list[tuple[int, bytes]]:
    """A few values: numbers that are reserved, handed out, and complained of."""
    quarantine = values.quarantined(NUMBERS[:2], START, pool=1)
    reserve = values.reserved(quarantine, "r-1", START + 60, 1_800)
    reserve.reservations[0].pool = 1
    confirm = values.changed(
        reserve, "ConfirmReservation", START + 90, State.ASSIGNED, Verdict.ASSIGNED
    )
    confirm.reservations.add().CopyFrom(reserve.reservations[0])
    confirm.reservations[0].state = 2
    confirm.reservations[0].ended_at = START + 90
    confirm.row_reservations.extend([1, 0])
    complain = KeeperValue(
        decided_at=START + 99, command="ReportComplaint", actor="shop", note="strangers call"
    )
    complain.complaints.add(
        number=NUMBERS[0],
        pool=1,
        policy="quiet",
        assigned_at=START + 90,
        received_at=START + 95,
    )
    lives = [values.settings(), quarantine, reserve, confirm, complain]
    return [(at, value.SerializeToString()) for at, value in enumerate(lives, 1)]


def rows(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables but the progress."""
    with engine.connect() as connection:
        return {
            table.name: [
                tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))
            ]
            for table in METADATA.sorted_tables
            if table is not PROGRESS
        }


def a_writer(engine: Engine) -> HistoryWriter:
    writer = HistoryWriter(engine, bytes(16))
    writer.load_progress(shared=False)
    return writer


def test_reservation_and_complaint_have_rows_of_their_own(engine: Engine) -> None:
    a_writer(engine).write(journal())
    found = rows(engine)
    pool = next(id_ for id_, name in found["pools"] if name == "nl-mobile")
    assert found[RESERVATIONS.name] == [
        ("r-1", 4, pool, 2, 2, 0, START + 60, START + 1_860, START + 90, "shop (claimed)")
    ]
    assert found[COMPLAINTS.name] == [(5, 0, NUMBERS[0], pool, "quiet", START + 90, START + 95)]
    assert found[DECISIONS.name][-1] == (
        5,
        START + 99,
        "ReportComplaint",
        "shop (claimed)",
        "strangers call",
    )
    assert [row[-1] for row in found[CHANGES.name]] == [None, None, "r-1", "r-1", "r-1", None]


def test_writing_again_changes_nothing(engine: Engine) -> None:
    a_writer(engine).write(journal())
    before = rows(engine)
    with engine.begin() as connection:
        connection.execute(update(PROGRESS).values(position=0))
    a_writer(engine).write(journal()[:3])  # the reservation as it was before
    assert rows(engine) == before
    a_writer(engine).write(journal()[3:])
    assert rows(engine) == before


@pytest.mark.parametrize(
    "broken",
    [
        b"\xff\xff",
        KeeperValue(keys=[NUMBERS[0]], previous=b"\1\2").SerializeToString(),
        KeeperValue(keys=[NUMBERS[0]], row_reservations=[1]).SerializeToString(),
    ],
    ids=["no value", "verdicts", "reservations"],
)
def test_value_that_cannot_be_read_is_named_and_nothing_is_written(
    engine: Engine, broken: bytes
) -> None:
    writer = a_writer(engine)
    before = rows(engine)
    with pytest.raises(HistoryError, match=r"journal.*position=6"):
        writer.write([*journal(), (6, broken)])
    assert rows(engine) == before
    assert a_writer(engine).progress.position == 0
