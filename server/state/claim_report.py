"""Claims as a report carries them from a worker's journal to the keeper."""

from collections.abc import Iterable

from ringfence.server.journal.event_value import Claim
from ringfence.server.link.keeper_service_pb2 import ReportClaimsRequest
from ringfence.server.state.covered_time import CoveredTime


def fill_claims(request: ReportClaimsRequest, claims: Iterable[Claim]) -> None:
    """Puts claims into a report, those of one feed joined."""
    covered: dict[int, CoveredTime] = {}
    for place, begin, end in claims:
        covered.setdefault(place, CoveredTime()).add(begin, end)
        reported = request.claims[place]
        reported.watermark = max(reported.watermark, end)
    for place, joined in covered.items():
        bounds = [bound for interval in joined.intervals for bound in interval]
        request.claims[place].bounds.extend(bounds)
