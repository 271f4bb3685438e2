"""Reports to the keeper what a worker's journal holds of claims.

Each report goes from the position that the keeper holds to the newest one, so nothing is left out
and nothing taken twice. When the keeper holds another position than expected, as it or the worker
is new, or when it is not known what became of a value, the journal itself is read from there.
"""

import asyncio
import logging
from collections import OrderedDict

from ringfence.server.journal.claims import claims_behind
from ringfence.server.journal.event_value import Claim
from ringfence.server.journal.journal import (
    Journal,
    JournalDown,
    JournalError,
)
from ringfence.server.link.keeper_link import KeeperLink
from ringfence.server.link.keeper_service_pb2 import (
    DESCRIPTOR,
    ReportClaimsRequest,
    ReportClaimsResponse,
)
from ringfence.server.state.claim_report import fill_claims
from ringfence.server.worker.feed_claims import FeedClaims

PERIOD_S = 0.5
VALUES_MAX = 65_536  # remembered between two reports; then the journal is read
FAILED_PAUSE_S = 60.0  # after a journal that cannot be read
UNREGISTERED_MAX = 16
REPORT_CLAIMS = DESCRIPTOR.services_by_name["KeeperService"].methods_by_name["ReportClaims"]

_log = logging.getLogger(__name__)


class ClaimReporter:
    """What one worker has to report; used on the loop of its journal's futures."""

    def __init__(self, journal: Journal, claims: FeedClaims, link: KeeperLink) -> None:
        self._journal = journal
        self.claims = claims
        self._link = link
        self._lost = True  # what was collected; the journal has to be read
        self._held = 0  # by the keeper
        self._upto = 0  # what was collected behind that
        self._seen = 0  # in the journal, at the report before
        self._collected: list[Claim] = []
        self._events: dict[str, int] = {}
        self._unregistered: OrderedDict[str, None] = OrderedDict()

    def sent(self, feed: str, events: int) -> None:
        """A feed has sent so many events."""
        if self.claims.is_registered(feed):
            self._events[feed] = self._events.get(feed, 0) + events
        else:
            self._unregistered[feed] = None
            self._unregistered.move_to_end(feed)
            if len(self._unregistered) > UNREGISTERED_MAX:
                self._unregistered.popitem(last=False)

    def settle(self, feed: str, claim: Claim | None, durable: "asyncio.Future[int]") -> None:
        """It is known what became of the value of a batch."""
        if durable.cancelled() or durable.exception() is not None:
            self.claims.fail(feed)
            self._lost = True
            return
        if claim is not None:
            self.claims.settle(feed, claim)
        position = durable.result()
        if self._lost or position <= self._upto:
            return
        if position != self._upto + 1 or len(self._collected) == VALUES_MAX:
            self._lost = True
            return
        self._upto = position
        if claim is not None:
            self._collected.append(claim)

    async def keep_reporting(self) -> None:
        """Does so twice a second; never returns."""
        while True:
            try:
                await self._report()
                await asyncio.sleep(PERIOD_S)
            except JournalError as error:  # coverage stands still, and all else goes on
                _log.error("claims are not reported: %s", error)
                self._lost = True
                await asyncio.sleep(FAILED_PAUSE_S)

    async def _report(self) -> None:
        overdue = self._upto < self._seen  # durable for a while, and nobody has told
        self._seen = self._journal.last
        if self._lost or overdue:
            await self._catch_up()
            return
        # Even without news: another keeper may have lost what the last one was told.
        upto, collected = self._upto, self._collected
        self._collected = []
        if await self._ask(self._held, upto, collected) == upto:
            self._held = upto
        else:
            self._lost = True

    async def _catch_up(self) -> None:
        """Reports what the journal holds behind the keeper's position, and begins to collect what
        comes behind that.
        """
        held = await self._ask(0, 0, [])
        if held is None:
            return
        self._lost = False
        self._collected = []
        self._upto = last = self._journal.last
        if not self._journal.writable:  # asked second: else what is up to there is durable
            self._lost = True
            return
        try:
            while held < last:
                upto, claims = await asyncio.to_thread(claims_behind, self._journal, held, last)
                for feed, claim in claims:
                    self.claims.settle(feed, claim)
                if await self._ask(held, upto, [claim for _, claim in claims]) != upto:
                    self._lost = True
                    return
                held = upto
        except JournalDown:  # it is just being opened again
            self._lost = True
        self._held = held

    async def _ask(self, after: int, upto: int, claims: list[Claim]) -> int | None:
        """Reports; the position that the keeper holds then, None = it does not answer."""
        events, self._events = self._events, {}
        unregistered, self._unregistered = self._unregistered, OrderedDict()
        request = ReportClaimsRequest(
            journal=self._journal.folder.name,
            after=after,
            upto=upto,
            events=events,
            unregistered=unregistered,
        )
        fill_claims(request, claims)
        answer = await self._link.glance(REPORT_CLAIMS, request.SerializeToString())
        if answer is None:
            for feed, count in events.items():
                self._events[feed] = self._events.get(feed, 0) + count
            return None
        return ReportClaimsResponse.FromString(answer).position
