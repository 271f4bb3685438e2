"""A worker's reports to the keeper: whatever happens, nothing of the journal is left out."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from support.keeper_inside import NOW, KeeperInside, run

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.reading import read_feeds
from ringfence.server.journal import claims
from ringfence.server.journal.awaited_journal import AwaitedJournal
from ringfence.server.journal.event_value import EventValue, encode_event_value
from ringfence.server.journal.journal import Journal
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.worker import claim_reporter
from ringfence.server.worker.claim_reporter import ClaimReporter
from ringfence.server.worker.feed_claims import FeedClaims

AGO = NOW - 1_000
"""From here the seconds of these tests count."""


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[list[Journal]]:
    names = ("keeper", "worker-0")
    opened = [open_journal(tmp_path / name, identity=bytes(16)) for name in names]
    yield opened
    for journal in opened:
        journal.close()


class Link:
    """The link to a keeper in the same process, which can be away."""

    def __init__(self, inside: KeeperInside) -> None:
        self._inside = inside
        self.away = False
        self.flushes = True

    async def glance(self, _: object, request: bytes) -> bytes | None:
        if self.away:
            return None
        answer = await self._inside.keeper.internal["ReportClaims"](request, None)
        if self.flushes:
            self._inside.keeper.reports.flush()
        return answer


class Worker:
    """A worker's journal, and what reports of it."""

    def __init__(self, inside: KeeperInside, journal: Journal) -> None:
        self.inside = inside
        self.journal = journal
        self.durable = AwaitedJournal(journal)
        self.link = Link(inside)
        self.replace()

    def replace(self) -> None:
        """A new worker, which knows nothing of the one before."""
        self.reporter = ClaimReporter(self.journal, FeedClaims(self.inside.segment), self.link)

    def submit(self, begin: int, end: int, feed: str = "west") -> asyncio.Future[int]:
        """Journals a batch with a claim."""
        claim = self.reporter.claims.claim(feed, AGO + begin, AGO + end)
        durable = self.durable.submit(encode_event_value(EventValue(feed, claim, b"")))
        durable.add_done_callback(partial(self.reporter.settle, feed, claim))
        return durable

    async def covered(self, *intervals: tuple[int, int]) -> None:
        """Waits until exactly this is covered."""
        async with asyncio.timeout(10):
            while self.covers() != intervals:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def covers(self) -> tuple[tuple[int, int], ...]:
        """What is covered, as workers see it."""
        covered = read_feeds(self.inside.segment)[0].covered
        return tuple((begin - AGO, end - AGO) for begin, end in covered)


def play(
    journals: list[Journal], story: Callable[[Worker], Awaitable[None]], *, by_hand: bool = False
) -> None:
    """Runs a story with a keeper that has the feed `west`, and a worker that reports, unless the
    story does that `by_hand`: there is never more than one report at a time.
    """

    async def use(inside: KeeperInside) -> None:
        await inside.ask("PutFeed", feed={"name": "west"})
        worker = Worker(inside, journals[1])
        if by_hand:
            await story(worker)
            return
        reporting = asyncio.create_task(worker.reporter.keep_reporting())
        try:
            await story(worker)
        finally:
            reporting.cancel()

    run(Segment.create(None, capacity_numbers=100), journals[0], use)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_reporter, "PERIOD_S", 0.01)
    monkeypatch.setattr(claims, "PIECE_VALUES", 2)


def test_claims_are_reported_as_they_become_durable(journals):
    async def story(worker):
        for begin in range(10, 100, 20):
            await worker.submit(begin, begin + 10)
        await worker.covered((10, 20), (30, 40), (50, 60), (70, 80), (90, 100))
        assert worker.inside.keeper.reports.held("worker-0") == 5

    play(journals, story)


def test_claim_whose_sender_did_not_wait_is_reported(journals):
    async def story(worker):
        await worker.submit(10, 20)
        await worker.covered((10, 20))
        worker.submit(30, 40).cancel()  # its stream is gone, and the journal has it
        await worker.covered((10, 20), (30, 40))
        await worker.submit(50, 60)
        await worker.covered((10, 20), (30, 40), (50, 60))

    play(journals, story)


def test_claim_that_becomes_durable_after_it_was_looked_for_is_reported(journals):
    async def story(worker):
        for begin in range(10, 210, 10):
            worker.submit(begin, begin + 10).cancel()  # nobody will tell when it is durable
            await asyncio.sleep(0)
            await worker.reporter._report()  # which is too early for it
            async with asyncio.timeout(10):
                while worker.covers() != ((10, begin + 10),):
                    await asyncio.sleep(0.001)
                    await worker.reporter._report()

    play(journals, story, by_hand=True)


def test_what_came_while_the_keeper_was_away_is_reported_later(journals):
    async def story(worker):
        await worker.submit(10, 20)
        await worker.covered((10, 20))
        worker.link.away = True
        for begin in range(30, 110, 20):
            await worker.submit(begin, begin + 10)
            await asyncio.sleep(0.02)
        worker.link.away = False
        await worker.covered((10, 20), (30, 40), (50, 60), (70, 80), (90, 100))

    play(journals, story)


def test_events_sent_while_the_keeper_was_away_are_counted_once_it_is_back(journals):
    async def story(worker):
        worker.link.away = True
        for _ in range(5):
            worker.reporter.sent("west", 7)
            await asyncio.sleep(0.02)  # some reports are tried meanwhile
        worker.link.away = False
        async with asyncio.timeout(10):
            traffic = worker.inside.keeper.reports._traffic
            while traffic.events("west")[1] != 35:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    play(journals, story)


def test_keeper_that_lost_what_it_was_told_hears_it_again_without_news(journals):
    async def story(worker):
        await worker.submit(10, 20)
        await worker.covered((10, 20))
        worker.link.flushes = False
        await worker.submit(30, 40)
        async with asyncio.timeout(10):
            while worker.inside.keeper.reports.held("worker-0") != 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await worker.inside.stop()
        await worker.inside.start()  # before the old one had journalled it
        worker.link.flushes = True
        await worker.covered((10, 20), (30, 40))

    play(journals, story)


def test_new_worker_reports_what_the_one_before_did_not(journals):
    async def story(worker):
        worker.link.away = True
        for begin in range(10, 110, 20):
            await worker.submit(begin, begin + 10)
        await worker.submit(5, 8, "stray")
        worker.link.away = False
        worker.replace()
        reporting = asyncio.create_task(worker.reporter.keep_reporting())
        more = [worker.submit(begin, begin + 10) for begin in range(110, 150, 20)]
        await asyncio.gather(*more)
        await worker.covered(*((begin, begin + 10) for begin in range(10, 150, 20)))
        assert worker.reporter.claims.watermark("west") == AGO + 140
        assert worker.inside.keeper.reports.held("worker-0") == 8
        reporting.cancel()

    play(journals, story)


def test_more_than_is_remembered_is_read_from_the_journal(journals, monkeypatch):
    monkeypatch.setattr(claim_reporter, "VALUES_MAX", 3)

    async def story(worker):
        await worker.submit(10, 20)
        await worker.covered((10, 20))
        await asyncio.gather(*(worker.submit(begin, begin + 1) for begin in range(20, 40)))
        await worker.covered((10, 40))

    play(journals, story)


def test_value_that_cannot_be_read_stops_no_report_in_silence(journals, caplog, monkeypatch):
    monkeypatch.setattr(claim_reporter, "FAILED_PAUSE_S", 0.01)

    async def story(worker):
        worker.link.away = True
        await worker.submit(10, 20)
        await worker.submit(30, 40)
        await worker.durable.submit(b"damaged")
        await worker.submit(50, 60)
        worker.link.away = False
        await worker.covered((10, 20), (30, 40))
        async with asyncio.timeout(10):
            while caplog.text.count("claims are not reported") < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert "position=3" in caplog.text
        assert worker.covers() == ((10, 20), (30, 40))

    play(journals, story)
