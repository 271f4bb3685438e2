"""The history process writes each change once, whatever dies, into SQLite and PostgreSQL."""

from collections.abc import Iterator

import grpc
import pytest
from support import history_values as values
from support.history_keeper import HistoryInstallation, history_installation
from support.history_values import NUMBERS, START
from support.postgres_cluster import DATABASES, NEEDS_POSTGRESQL, PostgresCluster
from support.server_process import field_of, reason_of, wait_until

from ringfence.engine.words import State, Verdict

pytestmark = pytest.mark.slow


@pytest.fixture(params=DATABASES)
def history(request: pytest.FixtureRequest) -> Iterator[HistoryInstallation]:
    """An installation without history process, on each kind of database."""
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("cluster").new_database()
    with history_installation(url) as made:
        yield made


def test_change_is_told_with_who_and_why(history: HistoryInstallation) -> None:
    history.start_history()
    quarantine = values.quarantined(NUMBERS[:2], START, pool=1)
    history.keeper.append(values.settings(), quarantine)
    aged = values.transition(NUMBERS[:1], START + 5, Verdict.AGING, Verdict.CLEAN, 1)
    held = values.changed(
        quarantine, "HoldNumbers", START + 9, State.HELD, Verdict.HELD, note="fraud – look"
    )
    history.wait_for(history.keeper.append(aged, held))
    entries = history.pages(number=NUMBERS[0])
    assert [
        (e.changed_at.seconds - START, e.pool, e.previous, e.current, e.command, e.actor, e.note)
        for e in entries
    ] == [
        (
            9,
            "nl-mobile",
            Verdict.AGING,
            Verdict.HELD,
            "HoldNumbers",
            "operator (claimed)",
            "fraud – look",
        ),
        (5, "nl-mobile", Verdict.AGING, Verdict.CLEAN, "", "", ""),
        (
            0,
            "nl-mobile",
            Verdict.UNTRACKED,
            Verdict.AGING,
            "QuarantineNumbers",
            "bss (claimed)",
            "",
        ),
    ]
    assert {entry.number for entry in entries} == {NUMBERS[0]}


def test_text_that_a_database_refuses_does_not_stop_it(history: HistoryInstallation) -> None:
    history.start_history()
    value = values.quarantined(NUMBERS[:1], START)
    value.note = value.actor = "a\0b"
    history.wait_for(history.keeper.append(value))
    (entry,) = history.pages()
    assert entry.note == "a\ufffdb"
    assert entry.actor == "a\ufffdb (claimed)"


def test_reservation_is_told_with_its_numbers(history: HistoryInstallation) -> None:
    history.start_history()
    quarantine = values.quarantined(NUMBERS[:3], START)
    reserve = values.reserved(quarantine, "r-17", START + 60, 1_800)
    history.wait_for(history.keeper.append(values.settings(), quarantine, reserve))
    entries = history.pages(number=NUMBERS[2])
    assert [entry.reservation for entry in entries] == ["r-17", ""]


def test_pages_hold_every_entry_once_while_new_ones_come(history: HistoryInstallation) -> None:
    history.start_history()
    history.keeper.append(values.settings(), values.quarantined(NUMBERS[:25], START))
    aged = values.transition(NUMBERS[:9], START + 5, Verdict.AGING, Verdict.CLEAN)
    history.wait_for(history.keeper.append(aged))
    seen: list[tuple[int, int]] = []
    token = ""
    while True:
        page = history.list_history(page_size=4, page_token=token)
        seen += [(entry.changed_at.seconds, entry.number) for entry in page.entries]
        token = page.next_page_token
        if not token:
            break
        assert len(page.entries) == 4
        newer = values.transition(NUMBERS[:3], START + 9, Verdict.CLEAN, Verdict.NOISY)
        history.wait_for(history.keeper.append(newer))
    assert seen == [(START + 5, n) for n in reversed(NUMBERS[:9])] + [
        (START, n) for n in reversed(NUMBERS[:25])
    ]


def test_filters_are_joined_and_a_moment_belongs_to_one_page(history: HistoryInstallation) -> None:
    history.start_history()
    history.keeper.append(values.settings())
    for step in range(6):
        last = history.keeper.append(
            values.quarantined([NUMBERS[step]], START + step // 2, pool=step % 2)
        )
    history.wait_for(last)

    def found(**fields: object) -> list[int]:
        return [NUMBERS.index(entry.number) for entry in history.pages(**fields)]

    assert found(since={"seconds": START + 1}, until={"seconds": START + 2}) == [3, 2]
    assert found(until={"seconds": START + 1}) == [1, 0]
    assert found(until={"seconds": START, "nanos": 1}) == [1, 0]
    assert found(since={"seconds": START + 1, "nanos": 1}) == [5, 4]
    assert found(since={"seconds": START + 3}) == []
    assert found(pool="nl-mobile") == [5, 3, 1]
    assert found(pool="nl-mobile", since={"seconds": START + 1}) == [5, 3]
    assert found(pool="nowhere") == []
    assert found(number=NUMBERS[4], pool="nl-mobile") == []
    assert found(number=NUMBERS[4], pool="default") == [4]


def test_page_of_long_notes_stays_small(history: HistoryInstallation) -> None:
    history.start_history()
    quarantine = values.quarantined(range(999_000_000_000, 999_000_004_000), START)
    hold = values.changed(
        quarantine, "HoldNumbers", START, State.HELD, Verdict.HELD, note="€" * 500
    )
    history.wait_for(history.keeper.append(values.settings(), quarantine, hold))
    page = history.list_history(page_size=10_000)
    assert 2_000_000 < page.ByteSize() < 3 << 20
    assert len(history.pages(page_size=10_000)) == 8_000


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"page_size": 10_001}, "page_size"),
        ({"page_token": "nonsense"}, "page_token"),
        ({"number": 999_999}, "number"),
        ({"number": 2**64 - 1}, "number"),
    ],
)
def test_bad_field_is_named(fields: dict[str, object], field: str) -> None:
    with history_installation() as history:
        history.start_history()
        history.wait_for(history.keeper.append(values.settings()))
        with pytest.raises(grpc.RpcError) as caught:
            history.list_history(**fields)
        assert field_of(caught.value) == field


def test_name_of_a_pool_is_that_of_its_time(history: HistoryInstallation) -> None:
    history.start_history()
    history.wait_for(
        history.keeper.append(
            values.settings("old"),
            values.quarantined(NUMBERS[:1], START),
            values.settings("new"),
            values.quarantined(NUMBERS[1:2], START),
        )
    )
    assert [entry.pool for entry in history.pages()] == ["new", "old"]
    assert [entry.number for entry in history.pages(pool="old")] == NUMBERS[:1]


def test_sigterm_ends_it_and_a_new_one_goes_on(history: HistoryInstallation) -> None:
    history.start_history()
    history.wait_for(history.keeper.append(values.settings()))
    assert history.stop_history() == 0
    history.keeper.append(values.quarantined(NUMBERS[:2], START))
    history.start_history()
    history.wait_for(2)
    assert len(history.pages()) == 2


def test_keeper_may_be_away(history: HistoryInstallation) -> None:
    history.keeper.stop()
    history.start_history()
    history.keeper.start()
    history.wait_for(history.keeper.append(values.settings()))
    history.keeper.stop()
    history.keeper.start()
    history.wait_for(history.keeper.append(values.quarantined(NUMBERS[:2], START)))
    assert len(history.pages()) == 2


@NEEDS_POSTGRESQL
def test_database_may_be_away(cluster: PostgresCluster) -> None:
    with history_installation(cluster.new_database()) as history:
        history.start_history()
        history.wait_for(history.keeper.append(values.settings()))
        cluster.stop()
        try:
            for step in range(5):
                last = history.keeper.append(values.quarantined([NUMBERS[step]], START + step))
            wait_until(lambda: "history is not written" in history.log)
            with pytest.raises(grpc.RpcError) as caught:
                history.list_history()
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            assert reason_of(caught.value) == "KEEPER"
            assert "database" in str(caught.value.details())
        finally:
            cluster.start()
        history.wait_for(last)
        assert [NUMBERS.index(entry.number) for entry in history.pages()] == [4, 3, 2, 1, 0]


@NEEDS_POSTGRESQL
def test_database_that_is_not_there_at_the_start_is_waited_for(cluster: PostgresCluster) -> None:
    url = cluster.new_database()
    cluster.stop()
    try:
        with history_installation(url) as history:
            history.start_history()
            last = history.keeper.append(values.settings(), values.quarantined(NUMBERS[:1], START))
            wait_until(lambda: "history is not written" in history.log)
            cluster.start()
            history.wait_for(last)
            assert len(history.pages()) == 1
    finally:
        cluster.stop()
        cluster.start()
