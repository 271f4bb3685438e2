"""Leases that run out: their numbers return to quarantine by a command of nobody's."""

import asyncio
import logging
from collections.abc import Sequence

import numpy as np

from ringfence.engine.table.header_rows import Headers, set_state
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import State, Verdict
from ringfence.server.journal.journal import JournalError
from ringfence.server.journal.keeper_value_pb2 import KeeperValue, KeptReservation
from ringfence.server.keeper.commands.command_fields import fill_change
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.link.refusal import Refusal
from ringfence.server.state.keeper_state import KeeperState
from ringfence.server.state.reservation_book import EXPIRED
from ringfence.v1 import number_service_pb2

LOOK_S = 0.5
RESERVATIONS_A_COMMAND = 64
NUMBERS_A_COMMAND = 4_096  # unless one reservation has more

_log = logging.getLogger(__name__)


class Leases:
    """Expires reservations, so that headers, history and queues say what verdicts say already."""

    def __init__(self, verdicts: VerdictReader, state: KeeperState) -> None:
        self._verdicts = verdicts
        self._state = state

    def expire(self, log: CommandLog) -> bool:
        """Decides the expiry of some whose lease is over, by one command; whether these were all.
        However many leases end in one second, others have their turn between.
        """
        book, now = self._state.reservations, log.now()
        due = book.due(now, RESERVATIONS_A_COMMAND, NUMBERS_A_COMMAND)
        if not due:
            return True

        def decide(value: KeeperValue) -> number_service_pb2.Reservation:
            for kept in due:
                _add_expired(value, kept)
            numbers = [number for kept in due for number in kept.numbers]
            headers = returned(self._state, numbers, value.decided_at)
            fill_change(value, self._verdicts, headers, previous=Verdict.RESERVED)
            return number_service_pb2.Reservation()  # nobody asked

        log.begin(KeeperValue(), decide)
        return not book.due(now, 1)

    async def watch(self, log: CommandLog) -> None:
        """Does so whenever the time has come; never returns."""
        while True:
            if log.writable:
                try:
                    await log.begin_all_due()
                except (JournalError, Refusal) as error:
                    _log.warning("leases are not expired yet: %s", error)
            await asyncio.sleep(LOOK_S)


def _add_expired(value: KeeperValue, kept: KeptReservation) -> None:
    """Adds a reservation to the value as it is from now on."""
    after = value.reservations.add()
    after.CopyFrom(kept)
    after.state = EXPIRED
    after.ended_at = kept.expires_at
    value.row_reservations.extend([len(value.reservations)] * len(kept.numbers))


def returned(state: KeeperState, numbers: Sequence[int], now: int) -> Headers:
    """The headers of live reservations' numbers, as they are when they are back in quarantine.

    A command that is decided and not applied may have changed their lease only.
    """
    headers = state.writer.header_rows(np.fromiter(numbers, np.uint64, len(numbers)))
    set_state(headers, State.QUARANTINED, now)
    return headers
