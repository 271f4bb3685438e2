"""Claims on their way from the workers' journals into the keeper's.

A report is taken when it begins where the one before it ended, so no value of a journal is left
out. What was reported is journalled about once a second, claims of all feeds in one value.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from ringfence.engine.memory.layout import WORKERS_MAX
from ringfence.server.journal.journal import JournalError
from ringfence.server.journal.keeper_value_pb2 import FeedClaims, JournalPosition, KeeperValue
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.keeper.coverage.feed_traffic import FeedTraffic
from ringfence.server.link.keeper_service_pb2 import ReportClaimsRequest
from ringfence.server.link.refusal import bad_field
from ringfence.server.state.coverage_book import join
from ringfence.server.state.covered_time import CoveredTime
from ringfence.server.state.keeper_state import KeeperState
from ringfence.v1 import quarantine_service_pb2

PERIOD_S = 1.0
POSITIONS_S = 60.0
"""How often positions are journalled without claims: only so that less has to be read again."""
REACH_S = 3.0
JOURNALS_MAX = 4 * WORKERS_MAX  # with those of workers that were
_Feed = tuple[int, int]
"""Index and registration."""
_NAME = re.compile(r"worker-\d{1,4}", re.ASCII)

_log = logging.getLogger(__name__)


class ClaimReports:
    """What was reported and is not journalled yet. Used on the keeper's loop."""

    def __init__(
        self,
        state: KeeperState,
        log: CommandLog,
        traffic: FeedTraffic,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._log = log
        self._traffic = traffic
        self._clock = clock
        self._covered: dict[_Feed, CoveredTime] = {}
        self._watermarks: dict[_Feed, int] = {}
        self._positions: dict[str, int] = {}
        self._flushed_at = clock()
        self._news = asyncio.Event()
        self._reported = asyncio.Event()

    def held(self, journal: str) -> int:
        """The position up to which the claims of a journal were reported."""
        return self._positions.get(journal, self._state.coverage.positions.get(journal, 0))

    def take(self, request: ReportClaimsRequest) -> int:
        """Takes a report, unless it leaves something out; the position held then."""
        self._traffic.count(request.events, request.unregistered)
        held = self.held(request.journal)
        if request.after != held or request.upto <= held:
            return held
        known = self._positions.keys() | self._state.coverage.positions.keys() | {request.journal}
        if not _NAME.fullmatch(request.journal) or len(known) > JOURNALS_MAX:
            raise bad_field("journal", f"value={request.journal[:40]!r}, bound=a worker's journal")
        for claims in request.claims:
            feed = claims.feed, claims.registration
            if not self._is_registered(feed):
                continue
            # Bounded, as the journal may take nothing for days.
            covered = self._covered.setdefault(feed, CoveredTime())
            join(covered, claims.bounds, self._log.now())
            self._watermarks[feed] = max(self._watermarks.get(feed, 0), claims.watermark)
        self._positions[request.journal] = request.upto
        self._news.set()
        self._reported.set()
        return request.upto

    async def reach(self, positions: Mapping[str, int]) -> None:
        """Waits until so much was reported, but not for long: a worker may be away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(REACH_S):
                while any(self.held(name) < upto for name, upto in positions.items()):
                    self._reported.clear()
                    await self._reported.wait()

    def flush(self) -> None:
        """Begins to journal what was reported; what cannot be now is kept."""
        if not self._positions or self._log.held_up:
            return
        try:
            self._log.begin(KeeperValue(), self._decide)
        except JournalError as error:
            _log.warning("claims are not journalled yet: %s", error)
            return
        self._covered, self._watermarks, self._positions = {}, {}, {}
        self._flushed_at = self._clock()

    async def keep_flushing(self) -> None:
        """Does so whenever there are claims, and seldom for positions alone; never returns."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._watermarks or self._clock() >= self._flushed_at + POSITIONS_S:
                self.flush()
                if self._positions:  # it was not possible
                    self._news.set()
            await asyncio.sleep(PERIOD_S)

    def claims(self) -> Iterator[FeedClaims]:
        """What was reported and is not journalled yet, each made when it is asked for. As claims
        are a join, and durable in the workers' journals, an image may have them before they are
        in the keeper's, and later ones with them.
        """
        waiting = [
            (feed[0], watermark, self._covered[feed])
            for feed, watermark in sorted(self._watermarks.items())
            if self._is_registered(feed)  # it was not deleted since
        ]
        return (
            FeedClaims(feed=index, bounds=covered.bounds, watermark=watermark)
            for index, watermark, covered in waiting
        )

    def journals(self) -> list[JournalPosition]:
        """Up to which positions all that was reported."""
        return [
            JournalPosition(name=name, position=position)
            for name, position in sorted(self._positions.items())
        ]

    def _is_registered(self, feed: _Feed) -> bool:
        """Whether it is not deleted; its index may be another's by now."""
        index, registration = feed
        present = self._state.decided.feed(index)
        return present is not None and present.registration == registration

    def _decide(self, value: KeeperValue) -> quarantine_service_pb2.DeleteFeedResponse:
        value.claims.extend(self.claims())
        value.journals.extend(self.journals())
        return quarantine_service_pb2.DeleteFeedResponse()  # nobody asked
