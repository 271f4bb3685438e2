"""What operators do to numbers: hold, unhold, restore, retire, override, move.

Each number is changed or refused by itself, according to its state; the answer names both.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from google.protobuf.message import Message

from ringfence.engine.table.header_rows import (
    Headers,
    Mask,
    Numbers,
    make_keys,
    numbers_of,
    pools_of,
    set_state,
    since_of,
    states_of,
)
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import TRACKED, State, Verdict
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.keeper.commands.command_fields import fill_change, read_note, read_numbers
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.link.drain import Context
from ringfence.server.link.routes import Answer, parse
from ringfence.server.state.keeper_state import KeeperState
from ringfence.v1 import quarantine_service_pb2 as pb
from ringfence.v1 import types_pb2


class _Command(NamedTuple):
    """A command that gives numbers another state."""

    request: type[Message]
    response: type[Message]
    before: tuple[State, ...]
    after: State
    note_needed: bool = False


_COMMANDS = {
    "HoldNumbers": _Command(
        pb.HoldNumbersRequest,
        pb.HoldNumbersResponse,
        (State.QUARANTINED, State.RESERVED),
        State.HELD,
    ),
    "UnholdNumbers": _Command(
        pb.UnholdNumbersRequest, pb.UnholdNumbersResponse, (State.HELD,), State.QUARANTINED
    ),
    "RestoreNumbers": _Command(
        pb.RestoreNumbersRequest,
        pb.RestoreNumbersResponse,
        (State.QUARANTINED, State.HELD, State.RETIRED),
        State.FREE,
    ),
    "RetireNumbers": _Command(
        pb.RetireNumbersRequest,
        pb.RetireNumbersResponse,
        (State.QUARANTINED, State.HELD),
        State.RETIRED,
        note_needed=True,
    ),
}


class NumberCommands:
    """Decides them against the table; no other command is about to change the same numbers."""

    def __init__(self, verdicts: VerdictReader, state: KeeperState, log: CommandLog) -> None:
        self._verdicts = verdicts
        self._state = state
        self._log = log

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {
            **{name: self._state_command(name, command) for name, command in _COMMANDS.items()},
            "OverrideNumbers": self.override_numbers,
            "MoveNumbers": self.move_numbers,
        }

    def _state_command(self, name: str, command: _Command) -> Answer:
        async def answer(message: bytes, context: Context) -> bytes:
            # All four requests have the same fields.
            request = cast(pb.HoldNumbersRequest, parse(command.request, message))
            numbers = read_numbers(request.numbers)
            note = read_note(request.note, needed=command.note_needed)

            def decide(value: KeeperValue) -> Message:
                value.note = note
                headers = self._state.writer.header_rows(numbers)
                state = states_of(headers)
                changing = np.isin(state, command.before)
                already = (state == command.after) & (command.after != State.FREE)
                tracked = np.isin(state, TRACKED)  # the others keep since when they are not
                since = np.where(tracked, np.uint64(value.decided_at), since_of(headers))
                set_state(headers, command.after, since)
                self._leave_reservations(value, headers[changing], state[changing])
                fill_change(value, self._verdicts, headers[changing])
                return self._answer(command.response, value, numbers, changing | already)

            return await self._log.carry_out(name, context, decide, about=numbers)

        return answer

    async def override_numbers(self, message: bytes, context: Context) -> bytes:
        """Declares quarantined numbers clean, until the next event."""
        request = parse(pb.OverrideNumbersRequest, message)
        numbers = read_numbers(request.numbers)
        note = read_note(request.note, needed=True)

        def decide(value: KeeperValue) -> Message:
            value.note = note
            headers = self._state.writer.header_rows(numbers)
            quarantined = states_of(headers) == State.QUARANTINED
            verdicts, clean_at = self._verdicts.check(numbers, now=value.decided_at)
            in_force = (verdicts == Verdict.CLEAN) & (headers["override_at"] == clean_at)
            changing = quarantined & ~in_force
            headers["override_at"] = value.decided_at
            fill_change(value, self._verdicts, headers[changing])
            return self._answer(pb.OverrideNumbersResponse, value, numbers, quarantined)

        return await self._log.carry_out("OverrideNumbers", context, decide, about=numbers)

    async def move_numbers(self, message: bytes, context: Context) -> bytes:
        """Moves quarantined and held numbers to another pool."""
        request = parse(pb.MoveNumbersRequest, message)
        numbers = read_numbers(request.numbers)
        note = read_note(request.note)

        def decide(value: KeeperValue) -> Message:
            value.note = note
            pool = self._state.open_pool_index(request.pool)
            headers = self._state.writer.header_rows(numbers)
            state = states_of(headers)
            movable = np.isin(state, (State.QUARANTINED, State.HELD))
            changing = movable & (pools_of(headers) != pool)
            headers["key"] = make_keys(numbers, pool)
            fill_change(value, self._verdicts, headers[changing])
            return self._answer(pb.MoveNumbersResponse, value, numbers, movable)

        return await self._log.carry_out("MoveNumbers", context, decide, about=numbers)

    def _answer(
        self, response: type[Message], value: KeeperValue, numbers: Numbers, done: Mask
    ) -> Message:
        refused = numbers[~done]
        verdicts = self._verdicts.check(refused, now=value.decided_at)[0]
        make = cast(Callable[..., Message], response)
        return make(
            changed=numbers[done].tolist(),
            refused=[
                types_pb2.Refusal(number=number, verdict=verdict)
                for number, verdict in zip(refused.tolist(), verdicts.tolist(), strict=True)
            ],
        )

    def _leave_reservations(
        self, value: KeeperValue, headers: Headers, state: npt.NDArray[np.uint64]
    ) -> None:
        """Takes reserved numbers that are held from then on out of their reservations."""
        held: dict[str, int] = {}  # place in value.reservations, from 1
        for row in np.flatnonzero(state == State.RESERVED).tolist():
            number = int(numbers_of(headers[row : row + 1])[0])
            holder = self._state.reservations.holder(number)
            if holder not in held:
                value.reservations.append(self._state.reservations.get(holder))
                held[holder] = len(value.reservations)
                if not value.row_reservations:
                    value.row_reservations.extend([0] * len(headers))
            value.row_reservations[row] = held[holder]
            value.reservations[held[holder] - 1].refused.add(
                number=number, verdict=types_pb2.VERDICT_HELD
            )
        for reservation in value.reservations:
            gone = {each.number for each in reservation.refused}
            left = [number for number in reservation.numbers if number not in gone]
            reservation.ClearField("numbers")
            reservation.numbers.extend(left)
