"""Numbers that were assigned or retired long ago leave the table: they are FREE from then on.

The table is looked through a piece at a time, in a thread that copies nothing and holds no GIL; and
few numbers leave by one command, so that others have their turn between.
"""

import asyncio

import numpy as np

from ringfence.engine.table.header_rows import (
    Headers,
    Mask,
    Numbers,
    set_state,
    since_of,
    states_of,
)
from ringfence.engine.table.state_scan import numbers_in_states
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import State
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.keeper.commands.command_fields import fill_change
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.state.keeper_state import KeeperState
from ringfence.v1 import quarantine_service_pb2

PERIOD_S = 600.0
RECORDS_A_LOOK = 1 << 20
NUMBERS_A_COMMAND = 4_096
_LEAVING = (State.ASSIGNED, State.RETIRED)


class Departures:
    """Looks for them now and then."""

    def __init__(
        self, verdicts: VerdictReader, state: KeeperState, log: CommandLog, *, kept_s: int
    ) -> None:
        self._segment = verdicts.segment
        self._verdicts = verdicts
        self._state = state
        self._log = log
        self._kept_s = kept_s

    async def watch(self) -> None:
        """Lets numbers go whenever their time has come; never returns."""
        period_s = min(PERIOD_S, self._kept_s)
        while True:
            await self.let_go()
            await asyncio.sleep(period_s)

    async def let_go(self) -> None:
        """Lets all numbers go whose time has come."""
        before = self._log.now() - self._kept_s
        first = 0
        while first < self._segment.numbers:
            part, first = await asyncio.to_thread(self._left, first, before)
            if not len(part):
                continue
            await self._log.until_free(part)
            if self._log.held_up:
                return

            def decide(
                value: KeeperValue, part: Numbers = part
            ) -> quarantine_service_pb2.RestoreNumbersResponse:
                headers = self._state.writer.header_rows(part)
                headers = headers[_leaving(headers, before)]
                set_state(headers, State.FREE, since_of(headers))
                fill_change(value, self._verdicts, headers)
                return quarantine_service_pb2.RestoreNumbersResponse()  # nobody asked

            await asyncio.shield(self._log.begin(KeeperValue(), decide))

    def _left(self, first: int, before: int) -> tuple[Numbers, int]:
        """The next few numbers from a record on, and the record to go on from."""
        return numbers_in_states(
            self._segment,
            first,
            states=_LEAVING,
            until=before,
            records_max=RECORDS_A_LOOK,
            numbers_max=NUMBERS_A_COMMAND,
        )


def _leaving(rows: Headers, before: int) -> Mask:
    return np.isin(states_of(rows), _LEAVING) & (since_of(rows) <= before)
