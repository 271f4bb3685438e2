"""What operators do to numbers: hold, unhold, restore, retire, override, move.

Each number is changed or refused by itself, according to its state; the answer names both.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from google.protobuf.message import Message

from ringfence.engine.events.wire import encode_changed
from ringfence.engine.table.header_rows import (
    Headers,
    Numbers,
    StateTable,
    make_keys,
    numbers_of,
    pools_of,
    set_state,
    since_of,
    state_table,
    states_of,
)
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import TRACKED, State, Verdict
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.keeper.commands.command_fields import read_note, read_numbers
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.keeper.numbers.looked_at import (
    Effect,
    Found,
    Left,
    Looked,
    Sight,
    look,
    look_ahead,
    renew,
)
from ringfence.server.link.drain import Context
from ringfence.server.link.routes import Answer, parse_numbers
from ringfence.server.link.turns import Turns
from ringfence.server.state.keeper_state import KeeperState
from ringfence.v1 import quarantine_service_pb2 as pb
from ringfence.v1 import types_pb2

_MOVABLE = state_table(State.QUARANTINED, State.HELD)
_TRACKED = state_table(*TRACKED)


class _Command(NamedTuple):
    """A command that gives numbers another state."""

    request: type[Message]
    before: StateTable
    after: State
    note_needed: bool = False


_COMMANDS = {
    "HoldNumbers": _Command(
        pb.HoldNumbersRequest,
        state_table(State.QUARANTINED, State.RESERVED),
        State.HELD,
    ),
    "UnholdNumbers": _Command(pb.UnholdNumbersRequest, state_table(State.HELD), State.QUARANTINED),
    "RestoreNumbers": _Command(
        pb.RestoreNumbersRequest,
        state_table(State.QUARANTINED, State.HELD, State.RETIRED),
        State.FREE,
    ),
    "RetireNumbers": _Command(
        pb.RetireNumbersRequest,
        _MOVABLE,
        State.RETIRED,
        note_needed=True,
    ),
}


class NumberCommands:
    """Decides them against the table; no other command is about to change the same numbers."""

    def __init__(
        self, verdicts: VerdictReader, state: KeeperState, log: CommandLog, turns: Turns
    ) -> None:
        """Bulk commands are looked at in the thread of `turns`."""
        self._sight = Sight(verdicts, state.writer)
        self._ahead = Sight(VerdictReader(verdicts.segment), state.writer)
        self._state = state
        self._log = log
        self._turns = turns

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
            parsed, given = parse_numbers(command.request, message)
            request = cast(pb.HoldNumbersRequest, parsed)
            numbers = read_numbers(given)
            note = read_note(request.note, needed=command.note_needed)
            effect = partial(_state_effect, command)
            return await self._change(name, context, numbers, note, lambda: effect)

        return answer

    async def override_numbers(self, message: bytes, context: Context) -> bytes:
        """Declares quarantined numbers clean, until the next event."""
        request, given = parse_numbers(pb.OverrideNumbersRequest, message)
        numbers = read_numbers(given)
        note = read_note(request.note, needed=True)
        return await self._change(
            "OverrideNumbers", context, numbers, note, lambda: _override_effect
        )

    async def move_numbers(self, message: bytes, context: Context) -> bytes:
        """Moves quarantined and held numbers to another pool."""
        request, given = parse_numbers(pb.MoveNumbersRequest, message)
        numbers = read_numbers(given)
        note = read_note(request.note)

        def effect() -> Effect:
            return partial(_move_effect, self._state.open_pool_index(request.pool))

        return await self._change("MoveNumbers", context, numbers, note, effect)

    async def _change(
        self,
        name: str,
        context: Context,
        numbers: Numbers,
        note: str,
        effect: Callable[[], Effect],
    ) -> bytes:
        """Carries out a command; `effect` says what it does, or raises a refusal."""
        looked: Looked | None = None

        async def ahead() -> None:
            nonlocal looked
            looked = await look_ahead(self._turns, self._ahead, effect(), numbers, self._log.now())

        def decide(value: KeeperValue) -> bytes:
            value.note = note
            now, changes = value.decided_at, effect()
            if looked is None:
                (found, current), left = look(self._sight, changes, numbers, now)
            else:
                renew(looked, self._sight, changes, numbers, now)
                found, current = looked
                left = changes(found, now)
            changed, refused = left.changed, ~left.done
            headers = left.headers if changed.all() else left.headers[changed]
            value.headers = headers.tobytes()
            value.previous = found.verdicts[changed].tobytes()
            value.current = current[changed].tobytes()
            self._leave_reservations(value, headers, states_of(found.headers)[changed])
            return encode_changed(numbers[left.done], numbers[refused], found.verdicts[refused])

        return await self._log.carry_out(name, context, decide, about=numbers, ahead=ahead)

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


def _state_effect(command: _Command, found: Found, at: int) -> Left:
    state = states_of(found.headers)
    changed = command.before[state]
    already = (state == command.after) & (command.after != State.FREE)
    tracked = _TRACKED[state]  # the others keep since when they are not
    headers = found.headers.copy()
    set_state(headers, command.after, np.where(tracked, np.uint64(at), since_of(headers)))
    return Left(headers, changed, changed | already)


def _override_effect(found: Found, at: int) -> Left:
    quarantined = states_of(found.headers) == State.QUARANTINED
    in_force = found.verdicts == Verdict.CLEAN
    in_force &= found.headers["override_at"] == found.clean_at
    headers = found.headers.copy()
    headers["override_at"] = at
    return Left(headers, quarantined & ~in_force, quarantined)


def _move_effect(pool: int, found: Found, _: int) -> Left:
    movable = _MOVABLE[states_of(found.headers)]
    headers = found.headers.copy()
    headers["key"] = make_keys(numbers_of(headers), pool)
    return Left(headers, movable & (pools_of(found.headers) != pool), movable)
