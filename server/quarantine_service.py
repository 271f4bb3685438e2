"""QuarantineService: what commands decide, and what the keeper answers for itself.

A command is decided at once, without awaiting, so there is one order; `CommandLog` makes it durable
and has it applied before it is answered.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import cast

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.engine.control import TableFull, quarantine_headers
from ringfence.engine.core import Counts, Engine
from ringfence.engine.journal import Journal
from ringfence.engine.settings import Pool, SettingError
from ringfence.engine.words import Outcome, Verdict
from ringfence.server.command_log import CommandLog
from ringfence.server.drain import Context, Drain
from ringfence.server.keeper_state import KeeperState
from ringfence.server.keeper_value_pb2 import KeeperValue
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
from ringfence.server.settings_book import Setting
from ringfence.v1 import quarantine_service_pb2 as pb
from ringfence.v1 import types_pb2

FORECAST_DAYS_MAX = 400
COUNTED = tuple(verdict for verdict in Verdict if verdict != Verdict.UNTRACKED)


class QuarantineService:
    """Decides commands against what all earlier ones leave; lists what is in force."""

    def __init__(
        self,
        engine: Engine,
        state: KeeperState,
        log: CommandLog,
        journal: Journal,
        drain: Drain,
        *,
        workers: int,
        now: Callable[[], int],
        snapshot_at: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._state = state
        self._log = log
        self._journal = journal
        self._drain = drain
        self._workers = workers
        self._snapshot_at = snapshot_at
        self._counts = PoolCounts(engine, now)

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {
            "QuarantineNumbers": self.quarantine_numbers,
            "PutPolicy": self.put_policy,
            "ListPolicies": parsing(pb.ListPoliciesRequest, self.list_policies),
            "PutPool": self.put_pool,
            "ListPools": parsing(pb.ListPoolsRequest, self.list_pools),
            "GetStatus": parsing(pb.GetStatusRequest, self.get_status),
        }

    async def quarantine_numbers(self, _: object, context: Context) -> bytes:
        """Quarantines the numbers of one message, as a worker passes them on; without room for all
        that are new it changes nothing.
        """
        message = await self._drain.read(context)
        request = parse(pb.QuarantineNumbersRequest, message or b"")
        return await self._log.carry_out(
            "QuarantineNumbers", context, lambda value: self._quarantine(request, value)
        )

    async def put_policy(self, message: bytes, context: Context) -> bytes:
        """Adds or replaces a policy."""
        request = parse(pb.PutPolicyRequest, message)
        try:
            policy = read_policy(request.policy)
        except SettingError as error:
            raise SettingError(f"policy.{error.field}", error.text) from None

        def decide(value: KeeperValue) -> pb.Policy:
            index, placed = self._state.decided.check_policy(policy)
            value.policies.add(index=index, policy=policy_message(placed))
            return policy_message(placed)

        if request.validate_only:
            return decide(KeeperValue()).SerializeToString()
        return await self._log.carry_out("PutPolicy", context, decide)

    async def put_pool(self, message: bytes, context: Context) -> bytes:
        """Adds or replaces a pool."""
        request = parse(pb.PutPoolRequest, message)
        pool = read_pool(request.pool)

        def decide(value: KeeperValue) -> pb.Pool:
            index, placed = self._state.decided.check_pool(pool)
            value.pools.add(index=index, pool=pool_message(placed))
            return pool_message(placed)

        if request.validate_only:
            return decide(KeeperValue()).SerializeToString()
        return await self._log.carry_out("PutPool", context, decide)

    async def list_policies(self, request: pb.ListPoliciesRequest) -> pb.ListPoliciesResponse:
        """Policies by name."""
        page, token = _page("ListPolicies", self._state.published.policies, request)
        return pb.ListPoliciesResponse(
            policies=[policy_message(policy) for _, policy in page], next_page_token=token
        )

    async def list_pools(self, request: pb.ListPoolsRequest) -> pb.ListPoolsResponse:
        """Pools by name, with the counts of the last sweep."""
        if request.forecast_days > FORECAST_DAYS_MAX:
            raise bad_field(
                "forecast_days", f"value={request.forecast_days}, bound={FORECAST_DAYS_MAX}"
            )
        page, token = _page("ListPools", self._state.published.pools, request)
        counted_at, counts = await self._counts.latest()
        return pb.ListPoolsResponse(
            pools=[_pool_status(index, pool, counted_at, counts) for index, pool in page],
            next_page_token=token,
        )

    async def get_status(self, _: pb.GetStatusRequest) -> pb.GetStatusResponse:
        """What the installation is and holds."""
        segment = self._engine.segment
        snapshot_at = self._snapshot_at()
        return pb.GetStatusResponse(
            snapshot_at=Timestamp(seconds=snapshot_at) if snapshot_at else None,
            version=version("ringfence"),
            workers=self._workers,
            capacity_numbers=segment.capacity_numbers,
            numbers=segment.numbers,
            ring_entries=segment.ring_entries,
            events_total=sum(counted.accepted for counted in segment.counters()),
            journal_writable=self._journal.writable,
        )

    def _quarantine(
        self, request: pb.QuarantineNumbersRequest, value: KeeperValue
    ) -> pb.QuarantineNumbersResponse:
        now = value.decided_at
        pool = self._state.decided.pool_index(request.pool)
        batch = read_quarantine_batch(request, now)
        sound = np.flatnonzero(batch.fault == 0)
        outcomes = self._state.overlay.judge(batch.number[sound], batch.quarantined_at[sound])
        chosen = sound[outcomes == Outcome.QUARANTINED]
        try:
            self._state.overlay.check_room(batch.number[chosen])
        except TableFull as error:
            raise table_full(str(error)) from None
        value.headers = quarantine_headers(
            batch.number[chosen],
            pool=pool,
            quarantined_at=batch.quarantined_at[chosen],
            observed_since=batch.observed_since[chosen],
            reason=batch.reason[chosen].astype(np.uint8),
            now=now,
        ).tobytes()
        too_early = sound[outcomes == Outcome.TOO_EARLY]
        rejected = np.union1d(np.flatnonzero(batch.fault), too_early)
        return pb.QuarantineNumbersResponse(
            accepted=len(chosen),
            already_quarantined=int(np.count_nonzero(outcomes == Outcome.ALREADY_QUARANTINED)),
            rejected=len(rejected),
            rejections=[
                pb.NumberRejection(
                    number=int(batch.number[index]), reason=self._rejection(batch, index)
                )
                for index in rejected[:REJECTIONS_MAX].tolist()
            ],
        )

    def _rejection(self, batch: QuarantineBatch, index: int) -> str:
        if batch.fault[index]:
            return batch.fault_text(index)
        ended_at = self._state.overlay.ended_at(int(batch.number[index]))
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
