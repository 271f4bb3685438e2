"""The history process is killed again and again in the middle of its writing: nothing is lost and
nothing is there twice, in SQLite and in PostgreSQL.
"""

import random
import signal
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, func, select
from support import history_values as values
from support.history_keeper import HistoryInstallation, history_installation
from support.history_values import START
from support.postgres_cluster import DATABASES

from ringfence.engine.words import Verdict
from ringfence.server.followers.history.tables import CHANGES, DECISIONS
from ringfence.server.journal.keeper_value_pb2 import KeeperValue

pytestmark = pytest.mark.slow

ROUNDS = 5
FIRST = 999_000_000_000


@pytest.fixture(params=DATABASES)
def history(request: pytest.FixtureRequest) -> Iterator[HistoryInstallation]:
    """An installation on each kind of database."""
    if request.param == "sqlite":
        with history_installation() as made:
            yield made
        return
    with history_installation(request.getfixturevalue("cluster").new_database()) as made:
        yield made


def a_value(dice: random.Random, step: int) -> KeeperValue:
    """A small value or a large one; each number is unique to its step and row."""
    rows = dice.choice([1, 1, 1, 30, 3_000, 20_000])
    numbers = range(FIRST + step * 100_000, FIRST + step * 100_000 + rows)
    if dice.random() < 0.5:
        return values.quarantined(numbers, START + step)
    return values.transition(numbers, START + step, Verdict.AGING, Verdict.CLEAN)


def test_killed_history_has_every_change_once(history: HistoryInstallation) -> None:
    seed = random.randrange(2**32)
    print(f"seed={seed}")
    dice = random.Random(seed)
    history.keeper.append(values.settings())
    expected: list[tuple[int, int, int]] = []
    cut = 0
    for step in range(ROUNDS):
        for _ in range(dice.randint(3, 12)):
            value = a_value(dice, len(expected) and expected[-1][0])
            position = history.keeper.append(value)
            first = value.keys[0] if value.keys else int.from_bytes(value.headers[:8], "little")
            expected += [
                (position, row, (first & (2**50 - 1)) + row) for row in range(len(value.previous))
            ]
        history.start_history()
        time.sleep(dice.random() * 0.8)  # a moment to be killed at, nothing is awaited
        cut += history.keeper.backlog.confirmed < expected[-1][0]
        history.stop_history(signal.SIGKILL)
        if step % 4 == 3:
            history.keeper.journal.truncate(history.keeper.backlog.confirmed)
            history.keeper.stop()
            history.keeper.start()
    print(f"killed before it was done: {cut} of {ROUNDS}")
    history.start_history()
    history.wait_for(expected[-1][0])
    assert history.stop_history() == 0
    engine = create_engine(history.url)
    with engine.connect() as connection:
        found = connection.execute(
            select(CHANGES.c.position, CHANGES.c.row, CHANGES.c.number).order_by(
                CHANGES.c.position, CHANGES.c.row
            )
        ).all()
        assert connection.execute(select(func.count()).select_from(DECISIONS)).scalar_one() == len(
            {position for position, _, _ in expected}
        )
    engine.dispose()
    assert [tuple(row) for row in found] == expected
