"""Claims in the journals of workers that no longer exist: the keeper reads them itself, once.

A worker reports its claims about a second after they are durable. Where workers were killed and
fewer are started, what they had not reported yet stands in journals that nobody has open.
"""

import asyncio
import logging
from contextlib import closing

from ringfence.server.folder.installation import Installation
from ringfence.server.folder.journal_folders import (
    KEEPER,
    journal_identity,
    journal_names,
    worker_name,
)
from ringfence.server.folder.snapshot_lock import keep_snapshots
from ringfence.server.journal.claims import claims_behind
from ringfence.server.journal.journal import JournalError, JournalInUse
from ringfence.server.journal.lmdb_journal import open_for_replay
from ringfence.server.keeper.coverage.claim_reports import ClaimReports
from ringfence.server.link.keeper_service_pb2 import ReportClaimsRequest
from ringfence.server.state.claim_report import fill_claims

PAUSE_S = 0.5

_log = logging.getLogger(__name__)


async def report_orphans(installation: Installation, reports: ClaimReports) -> None:
    """Reports what all of them hold behind the positions that the keeper has; then returns."""
    workers = {worker_name(index) for index in range(installation.config.server.workers)}
    for name in journal_names(installation.journals):
        if name in workers or name == KEEPER:
            continue
        try:
            await _report(installation, name, reports)
        except JournalError as error:
            _log.error("claims of a former worker are not taken: %s", error)


async def _report(installation: Installation, name: str, reports: ClaimReports) -> None:
    while True:
        after = reports.held(name)
        try:
            request = await asyncio.to_thread(_next_report, installation, name, after)
        except JournalInUse:  # a backup or a snapshot has it for a moment
            await asyncio.sleep(PAUSE_S)
            continue
        if request is None:
            return
        reports.take(request)


def _next_report(installation: Installation, name: str, after: int) -> ReportClaimsRequest | None:
    """The next few values behind a position; None = there are none."""
    identity = journal_identity(installation.folder_id, name)
    with (
        keep_snapshots(installation.data, lambda: None),  # nobody truncates it meanwhile
        closing(
            open_for_replay(installation.journal_folder(name), identity=identity, walk=False)
        ) as journal,
    ):
        if journal.last <= after:
            return None
        upto, claims = claims_behind(journal, after, journal.last)
        request = ReportClaimsRequest(journal=name, after=after, upto=upto)
        fill_claims(request, (claim for _, claim in claims))
        return request
