"""Policies and pools: put, listed, deleted."""

import asyncio
from collections.abc import Mapping
from typing import cast

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.engine.settings.policy import Pool, check_name
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.verdict.sweep_sums import SweepSums
from ringfence.engine.words import Verdict
from ringfence.server.journal.keeper_value_pb2 import KeeperValue, PlacedPool
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.keeper.queue.pool_counts import PoolCounts
from ringfence.server.keeper.settings.settings_page import settings_page
from ringfence.server.link.drain import Context
from ringfence.server.link.refusal import bad_field, in_use
from ringfence.server.link.routes import Answer, parse, parsing
from ringfence.server.state.keeper_state import KeeperState
from ringfence.server.state.setting_messages import (
    naming,
    policy_message,
    pool_message,
    read_policy,
    read_pool,
)
from ringfence.v1 import quarantine_service_pb2 as pb
from ringfence.v1 import types_pb2

FORECAST_DAYS_MAX = 400
COUNTED = tuple(verdict for verdict in Verdict if verdict != Verdict.UNTRACKED)
RECORDS_A_STEP = 1 << 19


class SettingCommands:
    """Decides changes of settings against all earlier ones; lists what is in force."""

    def __init__(
        self, state: KeeperState, log: CommandLog, counts: PoolCounts, sweeper: VerdictReader
    ) -> None:
        """`sweeper` is for another thread, one call at a time."""
        self._state = state
        self._log = log
        self._counts = counts
        self._sweeper = sweeper
        self._one_sweep = asyncio.Lock()

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {
            "PutPolicy": self.put_policy,
            "ListPolicies": parsing(pb.ListPoliciesRequest, self.list_policies),
            "DeletePolicy": self.delete_policy,
            "PutPool": self.put_pool,
            "ListPools": parsing(pb.ListPoolsRequest, self.list_pools),
            "DeletePool": self.delete_pool,
        }

    async def put_policy(self, message: bytes, context: Context) -> bytes:
        """Adds or replaces a policy."""
        request = parse(pb.PutPolicyRequest, message)
        with naming("policy"):
            policy = read_policy(request.policy)

        def decide(value: KeeperValue) -> Message:
            placed = self._state.decided.check_policy(policy)
            value.policies.append(placed)
            return placed.policy

        if request.validate_only:
            return decide(KeeperValue()).SerializeToString()
        return await self._log.carry_out("PutPolicy", context, decide)

    async def delete_policy(self, message: bytes, context: Context) -> bytes:
        """Takes a policy away that no pool uses."""
        request = parse(pb.DeletePolicyRequest, message)

        def decide(value: KeeperValue) -> Message:
            value.policies.append(self._state.decided.check_policy_deletion(request.name))
            return pb.DeletePolicyResponse()

        return await self._log.carry_out("DeletePolicy", context, decide)

    async def put_pool(self, message: bytes, context: Context) -> bytes:
        """Adds or replaces a pool."""
        request = parse(pb.PutPoolRequest, message)
        with naming("pool"):
            pool = read_pool(request.pool)

        def decide(value: KeeperValue) -> Message:
            placed = self._state.decided.check_pool(pool)
            value.pools.append(placed)
            return placed.pool

        if request.validate_only:
            return decide(KeeperValue()).SerializeToString()
        return await self._log.carry_out("PutPool", context, decide)

    async def delete_pool(self, message: bytes, context: Context) -> bytes:
        """Takes a pool away that has no number in the table."""
        request = parse(pb.DeletePoolRequest, message)
        check_name("name", request.name)

        def decide(value: KeeperValue) -> Message:
            index = self._state.decided.pool_index(request.name)
            value.pools.append(PlacedPool(index=index))
            return pb.DeletePoolResponse()

        if (first := await self._log.first_answer(context)) is not None:
            return first
        if not self._state.decided.has_pool(request.name):
            return await self._log.carry_out("DeletePool", context, decide)
        index = self._state.open_pool_index(request.name)
        self._state.closing.add(index)  # nothing joins it while the table is looked through
        try:
            await self._log.settled()
            number = await self._number_in(index)
            if number:
                raise in_use("pool", request.name, f"+{number} is in it")
            return await self._log.carry_out("DeletePool", context, decide)
        finally:
            self._state.closing.discard(index)

    async def list_policies(self, request: pb.ListPoliciesRequest) -> pb.ListPoliciesResponse:
        """Policies by name."""
        page, token = await settings_page(
            "ListPolicies",
            self._state.published.policies,
            request,
            lambda _, policy: policy_message(policy),
        )
        return pb.ListPoliciesResponse(policies=page, next_page_token=token)

    async def list_pools(self, request: pb.ListPoolsRequest) -> pb.ListPoolsResponse:
        """Pools by name, with the counts of the last sweep."""
        days = request.forecast_days
        if days > FORECAST_DAYS_MAX:
            raise bad_field("forecast_days", f"value={days}, bound={FORECAST_DAYS_MAX}")
        counted_at, counts = await self._counts.latest()
        page, token = await settings_page(
            "ListPools",
            self._state.published.pools,
            request,
            lambda index, pool: self._pool_status(index, pool, counted_at, counts, days),
        )
        return pb.ListPoolsResponse(pools=page, next_page_token=token)

    def _pool_status(
        self, index: int, pool: Pool, counted_at: int, counts: SweepSums, forecast_days: int
    ) -> pb.PoolStatus:
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
            forecast=counts.forecast[index, :forecast_days].tolist(),
            counted_at=Timestamp(seconds=counted_at),
            complaints=self._state.complaints[index],
            assigned_total=self._state.assigned_total[index],
        )

    async def _number_in(self, pool: int) -> int:
        """A number that is in a pool; 0 = there is none."""
        first = 0
        async with self._one_sweep:
            while first < self._sweeper.segment.numbers:
                numbers, first = await asyncio.to_thread(
                    self._sweeper.select,
                    first,
                    now=self._log.now(),
                    numbers_max=1,
                    records_max=RECORDS_A_STEP,
                    pool=pool,
                )
                if len(numbers):
                    return int(numbers[0])
        return 0
