"""Claims as a report carries them from a worker's journal to the keeper."""

from collections.abc import Iterable

from ringfence.server.journal.event_value import Claim
from ringfence.server.link.keeper_service_pb2 import ReportClaimsRequest
from ringfence.server.state.covered_time import CoveredTime


def fill_claims(request: ReportClaimsRequest, claims: Iterable[Claim]) -> None:
    """Puts claims into a report, those of one feed joined."""
    covered: dict[int, CoveredTime] = {}
    for index, begin, end in claims:
        covered.setdefault(index, CoveredTime()).add(begin, end)
        reported = request.claims[index]
        reported.watermark = max(reported.watermark, end)
    for index, joined in covered.items():
        request.claims[index].bounds.extend(joined.bounds)
