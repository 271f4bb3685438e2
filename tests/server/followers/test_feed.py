"""The keeper's end of the history: its journal as others follow it, and how much of it waits."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from support.server_process import wait_until

from ringfence.server.journal.group_commit import GroupCommit
from ringfence.server.journal.journal import Done, Journal, JournalDown, JournalTruncated
from ringfence.server.journal.lmdb_journal import LmdbFile, open_journal
from ringfence.server.keeper.changes import history_backlog
from ringfence.server.keeper.changes.history_backlog import HistoryBacklog
from ringfence.server.keeper.changes.journal_feed import Diverged, JournalFeed, value_digest

PATIENCE_S = 10.0


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty journal."""
    opened = open_journal(tmp_path / "keeper", identity=b"a test")
    yield opened
    opened.close()


def append(journal: Journal, *values: bytes) -> None:
    """Makes values durable."""
    last = journal.last + len(values)
    done: Done = lambda _: None  # noqa: E731
    for value in values:
        journal.append(value, done)
    wait_until(lambda: journal.last == last)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Runs a test on a loop, for no longer than it may take."""

    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test()

    asyncio.run(limited())


async def take(feed: JournalFeed, after: int, count: int) -> list[tuple[int, bytes]]:
    """The next values behind a position."""
    taken: list[tuple[int, bytes]] = []
    async with aclosing(feed.follow(after)) as values:
        async for value in values:
            taken.append(value)
            if len(taken) == count:
                return taken
    raise AssertionError("the feed ended")


def test_feed_gives_what_is_there_and_then_each_new_value(journal: Journal) -> None:
    append(journal, *(bytes([value]) for value in range(1, 101)))

    async def test() -> None:
        feed = JournalFeed(journal)
        following = [asyncio.create_task(take(feed, after, 101 - after)) for after in (0, 99)]
        await asyncio.sleep(0)
        await asyncio.to_thread(append, journal, b"new")
        everything, the_end = await asyncio.gather(*following)
        assert everything == [(value, bytes([value])) for value in range(1, 101)] + [(101, b"new")]
        assert the_end == everything[99:]

    run(test)


def test_feed_wakes_at_a_commit_and_does_not_look_for_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringfence.server.keeper.changes.journal_feed.LOOK_S", 3600.0)

    async def test() -> None:
        feed = JournalFeed(journal)
        following = asyncio.create_task(take(feed, 0, 1))
        await asyncio.sleep(0.05)  # it waits now; before, the test would pass for nothing
        await asyncio.to_thread(append, journal, b"new")
        assert await following == [(1, b"new")]

    run(test)


def test_feed_of_large_values_comes_in_pieces(journal: Journal) -> None:
    large = [bytes([value]) * (3 << 20) for value in range(6)]
    append(journal, *large)

    async def test() -> None:
        feed = JournalFeed(journal)
        assert [value for _, value in await take(feed, 0, 6)] == large
        assert len(feed._piece(0, 6)) == 3  # 9 MiB: the first over 8

    run(test)


def test_feed_waits_for_a_journal_that_is_down(tmp_path: Path) -> None:
    broken = False

    class Failing(LmdbFile):
        def write(self, values: object, drop_upto: int) -> None:
            if broken:
                # As a commit of unknown outcome does: the value can be seen, and may be lost.
                super().write(values, drop_upto)  # type: ignore[arg-type]
                raise JournalDown("no room")
            super().write(values, drop_upto)  # type: ignore[arg-type]

        def prove_room(self, size: int, drop_upto: int) -> None:
            if broken:
                raise JournalDown("no room")
            super().prove_room(size, drop_upto)

    open_journal(tmp_path / "keeper", identity=b"a test").close()
    journal = GroupCommit(
        Failing(tmp_path / "keeper", identity=b"a test", map_size_bytes=64 << 20), 1 << 20
    )
    append(journal, b"durable")

    async def test() -> None:
        nonlocal broken
        feed = JournalFeed(journal)
        broken = True
        journal.append(b"perhaps", lambda _: None)
        await asyncio.to_thread(wait_until, lambda: not journal.writable and journal.last == 2)
        following = asyncio.create_task(take(feed, 0, 2))
        await asyncio.sleep(1.2)  # several looks
        assert not following.done()
        broken = False
        assert await following == [(1, b"durable"), (2, b"perhaps")]

    run(test)
    journal.close()


def test_follower_of_values_that_were_let_go_is_told(journal: Journal) -> None:
    append(journal, b"1", b"2", b"3", b"4")
    journal.truncate(2)
    wait_until(lambda: journal.first == 3)

    async def test() -> None:
        feed = JournalFeed(journal)
        with pytest.raises(JournalTruncated, match="oldest=3"):
            await take(feed, 1, 1)
        assert await take(feed, 2, 2) == [(3, b"3"), (4, b"4")]

    run(test)


def test_follower_of_another_journal_is_told(journal: Journal) -> None:
    append(journal, b"1", b"2", b"3")

    async def test() -> None:
        feed = JournalFeed(journal)
        await feed.check(0, b"")
        await feed.check(3, value_digest(b"3"))
        await feed.check(3, b"")
        with pytest.raises(Diverged, match="last=3, asked after position=4"):
            await feed.check(4, value_digest(b"4"))
        with pytest.raises(Diverged, match="another value: position=2"):
            await feed.check(2, value_digest(b"3"))
        journal.truncate(2)
        await asyncio.to_thread(wait_until, lambda: journal.first == 3)
        await feed.check(2, value_digest(b"x"))  # nothing to compare it with
        await feed.check(3, value_digest(b"3"))

    run(test)


def test_backlog_is_what_is_appended_and_not_confirmed(journal: Journal) -> None:
    backlog = HistoryBacklog(journal, 10_240)
    for position in range(1, 101):
        backlog.appended(position, 100)
    assert backlog.bytes == 10_000
    assert not backlog.exceeded
    for position in range(101, 104):
        backlog.appended(position, 100)
    assert backlog.exceeded
    assert backlog.text == "the history is behind: bytes=10300, limit=10240"
    backlog.confirm(50)
    assert not backlog.exceeded
    assert backlog.bytes == 5_300
    backlog.confirm(103)
    assert backlog.bytes == 0
    assert backlog.confirmed == 103


def test_backlog_remembers_steps_and_not_values(journal: Journal) -> None:
    backlog = HistoryBacklog(journal, 1_024_000)
    for position in range(1, 100_001):
        backlog.appended(position, 10)
    assert len(backlog._steps) <= 1_024
    backlog.confirm(99_999)
    assert 0 < backlog.bytes <= 1_000
    backlog.confirm(100_000)
    assert backlog.bytes == 0


def test_backlog_knows_after_a_restart_what_the_journal_held(journal: Journal) -> None:
    append(journal, *(bytes(100) for _ in range(60)))
    journal.truncate(10)
    wait_until(lambda: journal.first == 11)

    async def test() -> None:
        backlog = HistoryBacklog(journal, 2_048)
        await asyncio.to_thread(append, journal, bytes(300))
        backlog.appended(61, 300)
        assert not backlog.exceeded
        await backlog.measure()
        assert backlog.bytes == 5_000 + 300
        assert backlog.exceeded
        backlog.confirm(60)
        assert backlog.bytes == 300
        backlog.confirm(61)
        assert backlog.bytes == 0

    run(test)


def test_backlog_that_is_confirmed_while_it_is_measured_is_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(journal, *(bytes(100) for _ in range(20)))
    monkeypatch.setattr(history_backlog, "PIECE_VALUES", 5)
    read = history_backlog._sizes

    async def test() -> None:
        backlog = HistoryBacklog(journal, 1_024)

        def read_and_confirm(*asked: Any) -> list[tuple[int, int]]:
            sizes = read(*asked)
            if sizes and sizes[-1][0] == 10:
                backlog.confirm(18)
            return sizes

        monkeypatch.setattr(history_backlog, "_sizes", read_and_confirm)
        await backlog.measure()
        assert backlog.bytes == 200

    run(test)


def test_backlog_that_was_confirmed_before_it_was_measured_is_nothing(journal: Journal) -> None:
    append(journal, *(bytes(100) for _ in range(20)))

    async def test() -> None:
        backlog = HistoryBacklog(journal, 1_024)
        backlog.confirm(15)
        await backlog.measure()
        assert backlog.bytes == 500
        late = HistoryBacklog(journal, 1_024)
        late.confirm(20)
        await late.measure()
        assert late.bytes == 0

    run(test)
