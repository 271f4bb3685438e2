"""What the keeper does for the other processes of its server, see keeper_service.proto."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, closing

from ringfence.server.keeper.changes.change_messages import ChangeMessages
from ringfence.server.keeper.changes.history_backlog import HistoryBacklog
from ringfence.server.keeper.changes.journal_feed import JournalFeed
from ringfence.server.keeper.clock.kept_time import KeptTime
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.keeper.coverage.claim_reports import ClaimReports
from ringfence.server.keeper.image_stream import image_messages
from ringfence.server.keeper.queue.candidates import Candidates
from ringfence.server.link.drain import Context
from ringfence.server.link.keeper_service_pb2 import (
    DESCRIPTOR,
    ConfirmHistoryRequest,
    ConfirmHistoryResponse,
    GetReadinessRequest,
    GetReadinessResponse,
    LookUpNumberRequest,
    LookUpNumberResponse,
    ReadImageRequest,
    ReportClaimsRequest,
    ReportClaimsResponse,
)
from ringfence.server.link.routes import Answer, parse, parsing
from ringfence.server.link.turns import Turns
from ringfence.server.state.keeper_state import KeeperState

SHORT_BYTES = 1 << 14  # of a journal's value: read on the loop, a longer one beside it


class KeeperService:
    """Asked by workers, the snapshot process and the history process."""

    DESCRIPTOR = DESCRIPTOR.services_by_name["KeeperService"]

    def __init__(
        self,
        state: KeeperState,
        log: CommandLog,
        time: KeptTime,
        *,
        feed: JournalFeed,
        backlog: HistoryBacklog,
        candidates: Candidates,
        reports: ClaimReports,
        turns: Turns,
    ) -> None:
        self._state = state
        self._log = log
        self._time = time
        self._feed = feed
        self._backlog = backlog
        self._candidates = candidates
        self._reports = reports
        self._turns = turns

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {
            "FollowJournal": self._feed.answer,
            "ConfirmHistory": parsing(ConfirmHistoryRequest, self.confirm_history),
            "GetReadiness": parsing(GetReadinessRequest, self.get_readiness),
            "LookUpNumber": parsing(LookUpNumberRequest, self.look_up_number),
            "WatchChanges": self.watch_changes,
            "ReadImage": self.read_image,
            "ReportClaims": parsing(ReportClaimsRequest, self.report_claims),
        }

    async def confirm_history(self, request: ConfirmHistoryRequest) -> ConfirmHistoryResponse:
        """The history database has everything up to a position."""
        self._backlog.confirm(request.position)
        return ConfirmHistoryResponse()

    async def get_readiness(self, _: GetReadinessRequest) -> GetReadinessResponse:
        """Whether commands are taken and time is agreed, and if not, why."""
        return GetReadinessResponse(held_up=self._log.held_up, dispute=self._time.dispute)

    async def look_up_number(self, request: LookUpNumberRequest) -> LookUpNumberResponse:
        """What only the keeper knows of a number."""
        await self._log.begin_all_due()
        found = LookUpNumberResponse(
            reservation=self._state.reservations.holder(request.number),
            queue_position=self._candidates.position(request.number),
        )
        await self._log.settled()
        return found

    async def report_claims(self, request: ReportClaimsRequest) -> ReportClaimsResponse:
        """A worker's journal holds claims, and its feeds have sent events."""
        return ReportClaimsResponse(position=self._reports.take(request))

    async def watch_changes(self, _: bytes, context: Context) -> None:
        """Every change of a verdict from now on, each when it holds."""
        pools = enumerate(self._state.published.pools)
        messages = ChangeMessages({index: pool.name for index, pool in pools if pool})
        async with aclosing(self._feed.follow(self._state.applied)) as values:
            await context.send_initial_metadata(())  # from now on
            async for position, value in values:
                if position > self._state.applied:
                    await self._log.settled()
                if len(value) <= SHORT_BYTES:
                    told = messages.of(position, value)
                else:
                    told = await asyncio.to_thread(messages.of, position, value)
                for message in told:
                    await context.write(message)

    async def read_image(self, data: bytes, context: Context) -> None:
        """The keeper's state at one moment, and its position."""
        await self._reports.reach(parse(ReadImageRequest, data).claims_upto)
        position = self._log.position()  # of all that the moment has: nothing is decided between
        moment = self._state.moment(self._reports.claims(), self._reports.journals())
        with closing(moment):
            async for message in image_messages(moment, await position, self._turns):
                await context.write(message)
