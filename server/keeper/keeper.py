"""The keeper: the one process that changes headers and settings.

Here is what it is made of. One that died is replaced; the new one takes in what snapshot and
journal hold, applies what the segment lacks, and goes on from there.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import numpy as np

from ringfence.engine.number import NUMBER_MIN
from ringfence.engine.settings.on_trust import on_trust_text
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.verdict.scan import TableScan
from ringfence.server.config.config import Config
from ringfence.server.journal.journal import Journal, JournalDown
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.journal.keeper_values import keeper_values
from ringfence.server.keeper.changes.history_backlog import HistoryBacklog
from ringfence.server.keeper.changes.journal_feed import JournalFeed
from ringfence.server.keeper.clock.clock_commands import ClockCommands
from ringfence.server.keeper.clock.kept_time import KeptTime
from ringfence.server.keeper.clock.machine import Machine
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.keeper.coverage.claim_reports import ClaimReports
from ringfence.server.keeper.coverage.feed_commands import FeedCommands
from ringfence.server.keeper.coverage.feed_traffic import FeedTraffic
from ringfence.server.keeper.keeper_service import KeeperService
from ringfence.server.keeper.numbers.departures import Departures
from ringfence.server.keeper.numbers.forgetting import keep_forgetting
from ringfence.server.keeper.numbers.number_commands import NumberCommands
from ringfence.server.keeper.numbers.quarantine_commands import QuarantineCommands
from ringfence.server.keeper.numbers.room import Room
from ringfence.server.keeper.queue.candidates import Candidates
from ringfence.server.keeper.queue.pool_counts import PoolCounts
from ringfence.server.keeper.reservations.hand_out_merges import keep_merging
from ringfence.server.keeper.reservations.leases import Leases
from ringfence.server.keeper.reservations.reservation_service import ReservationService
from ringfence.server.keeper.settings.config_differences import config_differences
from ringfence.server.keeper.settings.first_settings import first_settings
from ringfence.server.keeper.settings.setting_commands import SettingCommands
from ringfence.server.keeper.status import status_answer
from ringfence.server.link.drain import Drain
from ringfence.server.link.routes import Answer
from ringfence.server.link.turns import Turns
from ringfence.server.state.keeper_image import StoredImage
from ringfence.server.state.keeper_state import AppliedSlice, KeeperState
from ringfence.v1 import quarantine_service_pb2

REPLAY_PAUSE_S = 0.1
MACHINE = Machine()

_log = logging.getLogger(__name__)


class Keeper:
    """All that the keeper does, over a segment that was brought to where the journal is.

    Made on the loop that it works on; `begin` makes what is needed before it may be asked.
    """

    def __init__(
        self,
        verdicts: VerdictReader,
        writer: TableWriter,
        journal: Journal,
        drain: Drain,
        *,
        config: Config,
        image: StoredImage,
        snapshot_at: Callable[[], int],
        kept_since: Callable[[], int],
        machine: Machine = MACHINE,
    ) -> None:
        segment = verdicts.segment
        self._verdicts = verdicts
        self._config = config
        self._journal = journal
        self.state = KeeperState(segment, writer, ended_kept_s=config.queue.reservations_kept)
        self.state.load(image)
        self.state.former_lives.forget(kept_since())
        self.state.catch_up(keeper_values(journal, self.state.known))
        self.time = KeptTime(segment, machine, lambda: self.state.decided_at)
        leases = Leases(verdicts, self.state)
        self.backlog = HistoryBacklog(journal, config.history.backlog_bytes)
        self.log = CommandLog(
            journal,
            self.state,
            self.time.now,
            appended=self.backlog.appended,
            applied=self._applied,
            held_up=lambda: self.backlog.text if self.backlog.exceeded else "",
            pause_s=self.backlog.pause_s,
            first=leases.expire,
        )
        self.candidates = Candidates(
            verdicts, self.state, self.log, scan_period_s=config.scan.period
        )
        self._room = Room(writer.slots)
        self._kept_since = kept_since
        self._departures = Departures(verdicts, self.state, self.log, kept_s=config.queue.left_kept)
        self._leases = leases
        self._turns = Turns("beside-the-loop")
        traffic = FeedTraffic(self.time.now)
        self.reports = ClaimReports(self.state, self.log, traffic)
        bulk = Turns("bulk-commands")
        counts = PoolCounts(TableScan(segment), self.time.now)
        self.commands: Mapping[str, Answer] = {
            **QuarantineCommands(
                verdicts, self.state, self.log, drain, turns=bulk, room=self._room
            ).answers,
            **NumberCommands(verdicts, self.state, self.log, bulk).answers,
            **SettingCommands(self.state, self.log, counts, VerdictReader(segment)).answers,
            **FeedCommands(self.state, self.log, traffic).answers,
            **ClockCommands(self.time, self.log).answers,
            "GetStatus": status_answer(
                writer.slots,
                self._room,
                journal,
                self.time,
                snapshot_at,
                workers=config.server.workers,
            ),
        }
        self.reservations = ReservationService(
            verdicts, self.state, self.log, self.candidates
        ).answers
        self.internal = KeeperService(
            self.state,
            self.log,
            self.time,
            feed=JournalFeed(journal),
            backlog=self.backlog,
            candidates=self.candidates,
            reports=self.reports,
            turns=self._turns,
        ).answers

    async def begin(self) -> None:
        """Makes the first settings in a new installation, and says where others are in force."""
        any_number = np.array([NUMBER_MIN], np.uint64)
        self._verdicts.check(any_number, now=self.time.now())  # reads all coverage before it serves
        book = self.state.published
        if not book.policies:  # indexes that were left stay in the book
            await self.log.begin(
                first_settings(self._config), lambda _: quarantine_service_pb2.Policy()
            )
        for difference in config_differences(self._config, book.policies, book.pools, book.feeds):
            _log.warning(
                "%s; `ringfence policies|pools|feeds put FILE` changes what is in force", difference
            )
        pools = self.state.published.pools  # the first ones of a new installation too
        on_trust = [pool.name for pool in pools if pool and not pool.required_feeds]
        if on_trust:
            _log.warning("%s; `ringfence pools put FILE` requires one", on_trust_text(on_trust))

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What it does unasked, until it is cancelled."""
        self.candidates.scanner.start()
        return [
            self.time.watch(),
            self._leases.watch(self.log),
            self._departures.watch(),
            self._room.keep(),
            keep_forgetting(self.state.former_lives, self._kept_since),
            self.backlog.measure(),
            self.reports.keep_flushing(),
            keep_merging(self.state.hand_outs, self._turns, self.time.now),
        ]

    def _applied(self, value: KeeperValue, part: AppliedSlice) -> None:
        self.candidates.applied(value, part)


async def open_keeper(
    verdicts: VerdictReader,
    writer: TableWriter,
    journal: Journal,
    drain: Drain,
    *,
    config: Config,
    image: StoredImage,
    snapshot_at: Callable[[], int] = lambda: 0,
    kept_since: Callable[[], int] = lambda: 0,
    machine: Machine = MACHINE,
) -> Keeper:
    """A keeper that may be asked. `snapshot_at` says when the newest snapshot was taken,
    `kept_since` when the older one of the two that are kept was; unix seconds, 0 = there is none.
    """
    while True:
        try:
            keeper = Keeper(
                verdicts,
                writer,
                journal,
                drain,
                config=config,
                image=image,
                snapshot_at=snapshot_at,
                kept_since=kept_since,
                machine=machine,
            )
            break
        except JournalDown:  # it is just being opened again
            await asyncio.sleep(REPLAY_PAUSE_S)
    await keeper.begin()
    return keeper
