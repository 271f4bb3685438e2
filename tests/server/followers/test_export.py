"""`ringfence data export` lists from the history what regulators ask for."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import history_values as values
from support.history_values import NUMBERS
from support.postgres_cluster import DATABASES

from ringfence.cli import main
from ringfence.engine.words import DisconnectReason, State, Verdict
from ringfence.server.followers.history.database import open_writer
from ringfence.server.followers.history.schema import bring_up_to_date
from ringfence.server.followers.history.writer import HistoryWriter
from ringfence.server.journal.keeper_value_pb2 import KeeperValue

DAY = 86_400
JANUARY = int(datetime(2022, 1, 1, tzinfo=UTC).timestamp())
ASSIGNED, BACKDATED, RESTORED, TWICE, HELD, NEVER, MOVED, RETIRED = NUMBERS[:8]


def life() -> list[KeeperValue]:
    """What became of eight numbers in the first months of 2022, a value a command."""

    def day(days: int) -> int:
        return JANUARY + days * DAY

    assigned = values.quarantined([ASSIGNED], day(0))
    backdated = values.quarantined(
        [BACKDATED], day(20), quarantined_at=day(5), reason=DisconnectReason.NON_PAYMENT
    )
    restored = values.quarantined([RESTORED], day(10))
    twice = values.quarantined([TWICE], day(0))
    again = values.quarantined([TWICE], day(70), previous=Verdict.ASSIGNED)
    held = values.quarantined([HELD], day(12))
    never = values.quarantined([NEVER], day(13), reason=DisconnectReason.NEVER_ASSIGNED)
    moved = values.quarantined([MOVED], day(14), pool=1)
    retired = values.quarantined([RETIRED], day(15))
    return [
        values.settings(),
        assigned,
        twice,
        restored,
        held,
        never,
        moved,
        retired,
        backdated,
        values.transition([HELD], day(25), Verdict.AGING, Verdict.NOISY),
        values.changed(restored, "RestoreNumbers", day(30), State.FREE, Verdict.UNTRACKED),
        values.changed(held, "HoldNumbers", day(31), State.HELD, Verdict.HELD),
        values.changed(twice, "ConfirmReservation", day(40), State.ASSIGNED, Verdict.ASSIGNED),
        values.changed(moved, "MoveNumbers", day(46), State.QUARANTINED, Verdict.AGING, pool=0),
        values.changed(retired, "RetireNumbers", day(50), State.RETIRED, Verdict.RETIRED),
        values.changed(assigned, "ConfirmReservation", day(60), State.ASSIGNED, Verdict.ASSIGNED),
        again,
        values.changed(assigned, "", day(90), State.FREE, Verdict.UNTRACKED),
        complaint(ASSIGNED, day(91), pool=0, policy="quiet"),
        complaint(ASSIGNED, day(92), pool=0, policy="quiet"),
        complaint(TWICE, day(92), pool=0, policy="default"),
        complaint(MOVED, day(95), pool=1, policy="quiet"),
    ]


def complaint(number: int, received_at: int, *, pool: int, policy: str) -> KeeperValue:
    """A customer has reported strangers."""
    value = KeeperValue(decided_at=received_at, command="ReportComplaint")
    value.complaints.add(number=number, pool=pool, policy=policy, received_at=received_at)
    return value


@pytest.fixture(scope="module", params=DATABASES)
def where(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    """Options that say where the history of those lives is."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("data")
        write(f"sqlite:///{folder / 'history.db'}")
        yield ["--data", str(folder)]
        return
    url = request.getfixturevalue("cluster").new_database()
    write(url)
    yield ["--url", url]


def write(url: str) -> None:
    """Writes the lives into a new database."""
    engine = open_writer(url)
    bring_up_to_date(engine)
    writer = HistoryWriter(engine, bytes(16))
    writer.load_progress(shared=False)
    writer.write([(at, value.SerializeToString()) for at, value in enumerate(life(), 1)])
    engine.dispose()


def export(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    done = CliRunner().invoke(main, ["data", "export", *arguments])
    return done.exit_code, done.stdout, done.stderr


def rows(*arguments: str) -> list[list[str]]:
    """The rows of a CSV without its header."""
    code, output, error = export(*arguments)
    assert code == 0, error
    return list(csv.reader(io.StringIO(output)))[1:]


def listed(*numbers: int) -> list[str]:
    return [f"+{number}" for number in sorted(numbers)]


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("2021-12-31", []),
        ("2022-01-01", [ASSIGNED, TWICE]),
        ("2022-01-08", [ASSIGNED, TWICE, BACKDATED]),  # told later
        ("2022-01-20", [ASSIGNED, TWICE, BACKDATED, RESTORED, HELD, NEVER, MOVED, RETIRED]),
        ("2022-01-31", [ASSIGNED, TWICE, BACKDATED, HELD, NEVER, MOVED, RETIRED]),
        ("2022-02-10", [ASSIGNED, BACKDATED, HELD, NEVER, MOVED, RETIRED]),
        ("2022-03-12", [TWICE, BACKDATED, HELD, NEVER, MOVED]),
    ],
)
def test_quarantined_lists_who_was_there_on_a_date(
    where: list[str], on: str, expected: list[int]
) -> None:
    found = rows("quarantined", "--on", on, *where)
    assert [row[0] for row in found] == listed(*expected)


def test_quarantined_says_pool_time_reason_and_state_of_that_date(where: list[str]) -> None:
    code, output, _ = export("quarantined", "--on", "2022-02-05", *where, "--json")
    assert code == 0
    found = {row["number"]: row for row in map(json.loads, output.splitlines())}
    assert found[f"+{MOVED}"]["pool"] == "nl-mobile"  # moved later
    assert found[f"+{HELD}"]["state"] == "HELD"
    assert found[f"+{BACKDATED}"] == {
        "number": f"+{BACKDATED}",
        "pool": "default",
        "quarantined_at": "2022-01-06T00:00:00Z",
        "reason": "NON_PAYMENT",
        "state": "QUARANTINED",
    }
    assert [
        row[0] for row in rows("quarantined", "--on", "2022-02-05", *where, "--pool", "nl-mobile")
    ] == listed(MOVED)


def test_disconnected_has_each_number_with_its_last_date(where: list[str]) -> None:
    found = rows("disconnected", "--since", "2022-01-01", "--until", "2022-04-01", *where)
    assert found == [
        [f"+{ASSIGNED}", "2022-01-01"],
        [f"+{BACKDATED}", "2022-01-06"],
        [f"+{TWICE}", "2022-03-12"],
        [f"+{HELD}", "2022-01-13"],
        [f"+{MOVED}", "2022-01-15"],
        [f"+{RETIRED}", "2022-01-16"],
    ]


def test_disconnected_of_a_month_is_that_month(where: list[str]) -> None:
    month = rows("disconnected", "--since", "2022-01-01", "--until", "2022-01-06", *where)
    assert month == [[f"+{ASSIGNED}", "2022-01-01"], [f"+{TWICE}", "2022-01-01"]]
    assert rows("disconnected", "--since", "2022-02-01", *where) == [[f"+{TWICE}", "2022-03-12"]]


def test_aging_report_counts_by_pool_and_age(where: list[str]) -> None:
    code, output, _ = export("aging-report", "--on", "2022-02-15T12:00:00Z", *where, "--json")
    assert code == 0
    assert [json.loads(line) for line in output.splitlines()] == [
        {
            "pool": "default",
            "numbers": 5,
            "days_0_to_45": 4,
            "days_45_to_90": 1,
            "days_90_to_180": 0,
            "days_180_to_365": 0,
            "days_365_and_more": 0,
            "oldest": "2022-01-01T00:00:00Z",
        },
        {
            "pool": "nl-mobile",
            "numbers": 1,
            "days_0_to_45": 1,
            "days_45_to_90": 0,
            "days_90_to_180": 0,
            "days_180_to_365": 0,
            "days_365_and_more": 0,
            "oldest": "2022-01-15T00:00:00Z",
        },
    ]


def test_complaints_are_counted_by_pool_and_policy(where: list[str]) -> None:
    everything = [
        ["default", "default", "1"],
        ["default", "quiet", "2"],
        ["nl-mobile", "quiet", "1"],
    ]
    assert rows("complaints", *where) == everything
    assert rows("complaints", *where, "--pool", "nl-mobile") == everything[2:]
    spring = ("--since", "2022-04-03", "--until", "2022-04-04")
    assert rows("complaints", *spring, *where) == [
        ["default", "default", "1"],
        ["default", "quiet", "1"],
    ]


def test_output_file_that_has_nowhere_to_lie_is_said(where: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "list.csv"
    code, output, error = export("aging-report", *where, "--output", str(path))
    assert (code, output) == (4, "")
    assert f"Error: {path.parent}/" in error and "Not a directory" in error
    assert f"{path.parent} is a file of uid " in error


def test_output_file_is_whole(where: list[str], tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    code, output, _ = export("quarantined", "--on", "2022-01-01", *where, "--output", str(path))
    assert (code, output) == (0, "")
    assert path.read_text().splitlines() == [
        "number,pool,quarantined_at,reason,state",
        f"+{ASSIGNED},default,2022-01-01T00:00:00Z,CUSTOMER_REQUEST,QUARANTINED",
        f"+{TWICE},default,2022-01-01T00:00:00Z,CUSTOMER_REQUEST,QUARANTINED",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "where is the history?"),
        (["--data", "."], 2, "no history.db in .: is it a data folder?"),
        (["--url", "sqlite:///x.db"], 2, "--url begins with postgresql+psycopg://"),
        (["--url", "postgresql+psycopg://u@127.0.0.1:1/d"], 3, "cannot be read"),
    ],
)
def test_missing_history_is_said(arguments: list[str], code: int, said: str) -> None:
    exit_code, _, error = export("aging-report", *arguments)
    assert (exit_code, said in error) == (code, True), error
