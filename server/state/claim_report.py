"""Claims as a report carries them from a worker's journal to the keeper."""

from collections.abc import Iterable

from ringfence.server.journal.event_value import Claim
from ringfence.server.link.keeper_service_pb2 import ReportClaimsRequest
from ringfence.server.state.covered_time import CoveredTime


def fill_claims(request: ReportClaimsRequest, claims: Iterable[Claim]) -> None:
    """Puts claims into a report, those of one feed joined."""
    covered: dict[tuple[int, int], CoveredTime] = {}
    watermarks: dict[tuple[int, int], int] = {}
    for index, registration, begin, end in claims:
        feed = index, registration
        covered.setdefault(feed, CoveredTime()).add(begin, end)
        watermarks[feed] = max(watermarks.get(feed, 0), end)
    for (index, registration), joined in covered.items():
        request.claims.add(
            feed=index,
            registration=registration,
            bounds=joined.bounds,
            watermark=watermarks[index, registration],
        )
