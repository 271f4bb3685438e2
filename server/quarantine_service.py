"""QuarantineService: the commands, carried out one after the other by the keeper."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import cast

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.engine.control import TableFull, TableWriter
from ringfence.engine.core import Counts, Engine
from ringfence.engine.settings import Pool, SettingError
from ringfence.engine.words import Outcome, Verdict
from ringfence.server.drain import Context, Drain
from ringfence.server.paging import page_position, page_size, page_token
from ringfence.server.pool_counts import PoolCounts
from ringfence.server.quarantine_batch import (
    REJECTIONS_MAX,
    QuarantineBatch,
    read_quarantine_batch,
)
from ringfence.server.refusal import bad_field, table_full
from ringfence.server.routes import Answer, parse, parsing
from ringfence.server.setting_messages import (
    policy_message,
    pool_message,
    read_policy,
    read_pool,
)
from ringfence.server.settings_book import Setting, SettingsBook
from ringfence.v1 import quarantine_service_pb2 as pb
from ringfence.v1 import types_pb2

FORECAST_DAYS_MAX = 400
COUNTED = tuple(verdict for verdict in Verdict if verdict != Verdict.UNTRACKED)


class QuarantineService:
    """The only user of the TableWriter; a command runs without awaiting, so there is one order."""

    def __init__(
        self,
        engine: Engine,
        writer: TableWriter,
        book: SettingsBook,
        drain: Drain,
        *,
        workers: int,
        now: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._book = book
        self._drain = drain
        self._workers = workers
        self._now = now
        self._counts = PoolCounts(engine, now)

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {
            "QuarantineNumbers": self.quarantine_numbers,
            "PutPolicy": parsing(pb.PutPolicyRequest, self.put_policy),
            "ListPolicies": parsing(pb.ListPoliciesRequest, self.list_policies),
            "PutPool": parsing(pb.PutPoolRequest, self.put_pool),
            "ListPools": parsing(pb.ListPoolsRequest, self.list_pools),
            "GetStatus": parsing(pb.GetStatusRequest, self.get_status),
        }

    async def quarantine_numbers(self, _: object, context: Context) -> bytes:
        """Quarantines message by message; one for which the table has no room changes nothing."""
        total = pb.QuarantineNumbersResponse()
        while (message := await self._drain.read(context)) is not None:
            self._quarantine(parse(pb.QuarantineNumbersRequest, message), total)
        return total.SerializeToString()

    async def put_policy(self, request: pb.PutPolicyRequest) -> pb.Policy:
        """Adds or replaces a policy."""
        try:
            policy = read_policy(request.policy)
        except SettingError as error:
            raise SettingError(f"policy.{error.field}", error.text) from None
        return policy_message(self._book.put_policy(policy, validate_only=request.validate_only))

    async def list_policies(self, request: pb.ListPoliciesRequest) -> pb.ListPoliciesResponse:
        """Policies by name."""
        page, token = _page("ListPolicies", self._book.policies, request)
        return pb.ListPoliciesResponse(
            policies=[policy_message(policy) for _, policy in page], next_page_token=token
        )

    async def put_pool(self, request: pb.PutPoolRequest) -> pb.Pool:
        """Adds or replaces a pool."""
        pool = read_pool(request.pool)
        return pool_message(self._book.put_pool(pool, validate_only=request.validate_only))

    async def list_pools(self, request: pb.ListPoolsRequest) -> pb.ListPoolsResponse:
        """Pools by name, with the counts of the last sweep."""
        if request.forecast_days > FORECAST_DAYS_MAX:
            raise bad_field(
                "forecast_days", f"value={request.forecast_days}, bound={FORECAST_DAYS_MAX}"
            )
        page, token = _page("ListPools", self._book.pools, request)
        counted_at, counts = await self._counts.latest()
        return pb.ListPoolsResponse(
            pools=[_pool_status(index, pool, counted_at, counts) for index, pool in page],
            next_page_token=token,
        )

    async def get_status(self, _: pb.GetStatusRequest) -> pb.GetStatusResponse:
        """What the installation is and holds."""
        segment = self._engine.segment
        return pb.GetStatusResponse(
            version=version("ringfence"),
            workers=self._workers,
            capacity_numbers=segment.capacity_numbers,
            numbers=segment.numbers,
            ring_entries=segment.ring_entries,
            events_total=sum(counted.accepted for counted in segment.counters()),
            journal_writable=False,  # there is no journal yet, so nothing is durable
        )

    def _quarantine(
        self, request: pb.QuarantineNumbersRequest, total: pb.QuarantineNumbersResponse
    ) -> None:
        now = self._now()
        pool = self._book.pool_index(request.pool)
        batch = read_quarantine_batch(request, now)
        sound = np.flatnonzero(batch.fault == 0)
        try:
            outcomes = self._writer.quarantine(
                batch.number[sound],
                pool=pool,
                quarantined_at=batch.quarantined_at[sound],
                observed_since=batch.observed_since[sound],
                reason=batch.reason[sound].astype(np.uint8),
                now=now,
            )
        except TableFull as error:
            raise table_full(str(error)) from None
        too_early = sound[outcomes == Outcome.TOO_EARLY]
        total.accepted += int(np.count_nonzero(outcomes == Outcome.QUARANTINED))
        total.already_quarantined += int(np.count_nonzero(outcomes == Outcome.ALREADY_QUARANTINED))
        total.rejected += len(batch.number) - len(sound) + len(too_early)
        rejected = np.union1d(np.flatnonzero(batch.fault), too_early)
        for index in rejected[: REJECTIONS_MAX - len(total.rejections)].tolist():
            total.rejections.add(
                number=int(batch.number[index]), reason=self._rejection(batch, index)
            )

    def _rejection(self, batch: QuarantineBatch, index: int) -> str:
        if batch.fault[index]:
            return batch.fault_text(index)
        ended_at = self._writer.ended_at(int(batch.number[index]))
        return (
            f"quarantined_at: value={batch.quarantined_at[index]}, bound=not before {ended_at},"
            " when its last assignment ended"
        )


def _page(
    question: str,
    settings: Sequence[Setting],
    request: pb.ListPoliciesRequest | pb.ListPoolsRequest,
) -> tuple[list[tuple[int, Setting]], str]:
    """A page of settings by name, each with its index, and the token of the next page."""
    size = page_size(request.page_size)
    last = page_position(question, request.page_token)
    following = sorted(
        ((index, setting) for index, setting in enumerate(settings) if setting.name > last),
        key=lambda entry: entry[1].name,
    )
    page = following[:size]
    more = len(following) > size
    return page, page_token(question, page[-1][1].name) if more else ""


def _pool_status(index: int, pool: Pool, counted_at: int, counts: Counts) -> pb.PoolStatus:
    by_verdict = counts.by_verdict[index]
    return pb.PoolStatus(
        pool=pool_message(pool),
        verdict_counts=[
            pb.VerdictCount(
                verdict=cast(types_pb2.Verdict, int(verdict)), count=int(by_verdict[verdict])
            )
            for verdict in COUNTED
        ],
        overdue=int(counts.overdue[index]),
        counted_at=Timestamp(seconds=counted_at),
    )
