"""Pages of the history come off the indexes: nothing is scanned as a whole, nothing is sorted."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event
from support import history_values as values
from support.history_values import NUMBERS, START
from support.postgres_cluster import DATABASES

from ringfence.server.followers.history.database import open_writer
from ringfence.server.followers.history.reader import HistoryPage
from ringfence.server.followers.history.schema import bring_up_to_date
from ringfence.server.followers.history.writer import HistoryWriter
from ringfence.v1.number_service_pb2 import ListHistoryRequest, ListHistoryResponse


@pytest.fixture(scope="module", params=DATABASES)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A database with a few changes."""
    if request.param == "sqlite":
        opened = open_writer(f"sqlite:///{tmp_path_factory.mktemp('history') / 'history.db'}")
        fill(opened)
        yield opened
        opened.dispose()
        return
    opened = open_writer(request.getfixturevalue("cluster").new_database())
    fill(opened)

    @event.listens_for(opened, "begin")
    def prefer_indexes(connection: object) -> None:  # a table of a few rows needs none
        for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"):
            connection.exec_driver_sql(  # type: ignore[attr-defined]
                f"SET LOCAL enable_{way} = off"
            )

    yield opened
    opened.dispose()


def fill(engine: Engine) -> None:
    """Writes a few changes."""
    bring_up_to_date(engine)
    writer = HistoryWriter(engine, bytes(16))
    writer.load_progress(shared=False)
    lives = [values.settings(), *(values.quarantined([n], START + n % 10) for n in NUMBERS[:9])]
    writer.write([(at, value.SerializeToString()) for at, value in enumerate(lives, 1)])


def whole_page(engine: Engine, request: ListHistoryRequest) -> ListHistoryResponse:
    """A page, slice by slice."""
    page = HistoryPage(engine, request)
    while not page.read():
        pass
    return ListHistoryResponse.FromString(page.encoded)


@pytest.mark.parametrize("paged", [False, True], ids=["first page", "later page"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"number": NUMBERS[3]},
        {"pool": "default"},
        {"number": NUMBERS[3], "pool": "default"},
        {"since": {"seconds": START + 2}, "until": {"seconds": START + 8}},
        {"pool": "default", "since": {"seconds": START + 2}},
    ],
    ids=str,
)
def test_page_comes_off_an_index(engine: Engine, fields: dict[str, object], paged: bool) -> None:
    token = ""
    if paged:
        found = whole_page(engine, ListHistoryRequest(**{**fields, "page_size": 1}))
        token = found.next_page_token
    plans: list[str] = []

    def explain(connection: object, _: object, statement: str, given: object, *__: object) -> None:
        if statement.startswith("SELECT changes."):
            prefix = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
            rows = connection.exec_driver_sql(  # type: ignore[attr-defined]
                f"{prefix} {statement}", given
            )
            plans.append("\n".join(str(row[-1]) for row in rows))

    event.listen(engine, "before_cursor_execute", explain)
    try:
        whole_page(engine, ListHistoryRequest(**fields, page_token=token))
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    (plan,) = plans
    for costly in ("Sort", "Seq Scan on changes", "TEMP B-TREE"):
        assert costly not in plan, plan
    if engine.dialect.name == "sqlite" and (fields or paged):
        assert "SCAN changes" not in plan, plan
