"""Leases that run out: their numbers return to quarantine by a command of nobody's."""

import asyncio
import logging

import numpy as np

from ringfence.engine.table.header_rows import Headers, set_state
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import State, Verdict
from ringfence.server.journal.journal import JournalError
from ringfence.server.journal.keeper_value_pb2 import KeeperValue, KeptReservation
from ringfence.server.keeper.commands.command_fields import fill_change
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.state.keeper_state import KeeperState
from ringfence.server.state.reservation_book import EXPIRED
from ringfence.v1 import number_service_pb2

LOOK_S = 0.5
RESERVATIONS_MAX = 8  # in one command: up to 10,000 numbers each

_log = logging.getLogger(__name__)


class Leases:
    """Expires reservations, so that headers, history and queues say what verdicts say already."""

    def __init__(self, verdicts: VerdictReader, state: KeeperState) -> None:
        self._verdicts = verdicts
        self._state = state

    def expire(self, log: CommandLog) -> None:
        """Decides the expiry of all whose lease is over."""
        while due := self._state.reservations.due(log.now(), RESERVATIONS_MAX):

            def decide(
                value: KeeperValue, due: list[KeptReservation] = due
            ) -> number_service_pb2.Reservation:
                headers = [self._expired(kept, value) for kept in due]
                returning = np.concatenate(headers)
                fill_change(value, self._verdicts, returning, previous=Verdict.RESERVED)
                return number_service_pb2.Reservation()  # nobody asked

            log.begin(KeeperValue(), decide)

    async def watch(self, log: CommandLog) -> None:
        """Does so whenever the time has come; never returns."""
        while True:
            if log.writable:
                try:
                    self.expire(log)
                except JournalError as error:
                    _log.warning("leases are not expired yet: %s", error)
            await asyncio.sleep(LOOK_S)

    def _expired(self, kept: KeptReservation, value: KeeperValue) -> Headers:
        """Adds a reservation to the value as it is from now on; its headers."""
        after = value.reservations.add()
        after.CopyFrom(kept)
        after.state = EXPIRED
        after.ended_at = kept.expires_at
        value.row_reservations.extend([len(value.reservations)] * len(kept.numbers))
        return returned(self._state, kept, value.decided_at)


def returned(state: KeeperState, kept: KeptReservation, now: int) -> Headers:
    """The headers of a live reservation's numbers, as they are when they are back in quarantine.

    A command that is decided and not applied may have changed their lease only.
    """
    headers = state.writer.header_rows(np.fromiter(kept.numbers, np.uint64, len(kept.numbers)))
    set_state(headers, State.QUARANTINED, now)
    return headers
