"""On a slow disk batches wait for room in the journal; they are refused when it has failed."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from support.journal_answers import IDENTITY
from support.small_table import KEY, NUMBERS, START, make_table

from ringfence.engine.events.inserter import EventInserter
from ringfence.server.journal.awaited_journal import AwaitedJournal
from ringfence.server.journal.group_commit import GroupCommit
from ringfence.server.journal.journal import JournalDown
from ringfence.server.journal.lmdb_journal import LmdbFile, open_journal
from ringfence.server.link.drain import Drain
from ringfence.server.link.keeper_link import KeeperLink
from ringfence.server.worker.claim_reporter import ClaimReporter
from ringfence.server.worker.event_service import EventService
from ringfence.server.worker.feed_claims import FeedClaims
from ringfence.v1.event_service_pb2 import RecordEventsRequest, RecordEventsResponse

EVENTS = 100
BATCHES = 30
WAITING_MAX_BYTES = 16 << 10  # some batches of 100 events, of 16 bytes each
MAP_BYTES = 64 << 20


class SlowDisk(LmdbFile):
    """A file whose writes wait, and then succeed or fail."""

    def __init__(self, folder: Path) -> None:
        open_journal(folder, identity=IDENTITY).close()
        super().__init__(folder, identity=IDENTITY, map_size_bytes=MAP_BYTES)
        self.free = threading.Event()
        self.fails = False

    def write(self, values: Any, drop_upto: int) -> None:
        self.free.wait()
        if self.fails:
            raise JournalDown("the disk has failed")
        super().write(values, drop_upto)


def message(second: int) -> bytes:
    """A batch with events that no other batch has."""
    return RecordEventsRequest(
        feed="feed",
        called=[NUMBERS[0]] * EVENTS,
        caller=range(441632960000, 441632960000 + EVENTS),
        occurred_at=[START + second] * EVENTS,
        kind=[1] * EVENTS,
    ).SerializeToString()


def use(folder: Path, test: Any) -> None:
    """Runs a test with a service over a slow disk."""
    disk = SlowDisk(folder)
    journal = GroupCommit(disk, WAITING_MAX_BYTES)
    table = make_table()

    async def limited() -> None:
        link = KeeperLink("unix:/dev/null")
        reporter = ClaimReporter(journal, FeedClaims(table.segment), link)
        service = EventService(
            EventInserter(table.segment, caller_key=KEY, worker=0),
            AwaitedJournal(journal),
            Drain(),
            reporter,
            clock=lambda: START + 1_000,
        )
        context: Any = None
        asking = [
            asyncio.create_task(service.record_events(message(at), context))
            for at in range(BATCHES)
        ]
        async with asyncio.timeout(30):
            await test(disk, asking)
        await link.close()

    try:
        asyncio.run(limited())
    finally:
        disk.free.set()
        journal.close()


def test_more_batches_than_may_wait_for_the_disk_are_all_taken_when_it_goes_on(
    tmp_path: Path,
) -> None:
    async def test(disk: SlowDisk, asking: list[asyncio.Task[bytes]]) -> None:
        done, _ = await asyncio.wait(asking, timeout=0.1)
        assert not done  # neither refused nor answered
        disk.free.set()
        answers = [RecordEventsResponse.FromString(await each) for each in asking]
        assert [answer.accepted for answer in answers] == [EVENTS] * BATCHES
        assert disk.last == BATCHES

    use(tmp_path / "worker-0", test)


def test_batches_that_wait_are_refused_when_the_disk_fails(tmp_path: Path) -> None:
    async def test(disk: SlowDisk, asking: list[asyncio.Task[bytes]]) -> None:
        await asyncio.wait(asking, timeout=0.1)
        disk.fails = True
        disk.free.set()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {JournalDown}

    use(tmp_path / "worker-0", test)


def test_a_value_that_could_never_wait_is_refused(tmp_path: Path) -> None:
    disk = SlowDisk(tmp_path / "worker-0")
    disk.free.set()
    journal = GroupCommit(disk, WAITING_MAX_BYTES)
    assert journal.has_room(2 * WAITING_MAX_BYTES)  # nothing to wait for: `append` says why not
    with pytest.raises(JournalDown, match="limit=16384"):
        journal.append(bytes(2 * WAITING_MAX_BYTES), lambda _: None)
    journal.close()
