"""The keeper's journal gone through command by command: what each number and reservation became.

It knows nothing of how the keeper decides. It only asks of every value whether it may follow what
came before, and remembers what the history must have.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory.layout import NUMBER_MASK
from ringfence.engine.table.header_rows import HEADER
from ringfence.engine.words import FORMER_LIFE_S, State, Verdict
from ringfence.server.journal.keeper_value_pb2 import KeeperValue, KeptReservation
from ringfence.v1 import types_pb2 as types

ACTIVE = types.RESERVATION_STATE_ACTIVE
CANCELLED = types.RESERVATION_STATE_CANCELLED
CONFIRMED = types.RESERVATION_STATE_CONFIRMED
EXPIRED = types.RESERVATION_STATE_EXPIRED

CHANGE = np.dtype(
    [("position", "<i8"), ("row", "<i4"), ("number", "<i8"), ("previous", "u1"), ("current", "u1")]
)

_AFTER = {
    "CancelReservation": {CANCELLED},
    "ConfirmReservation": {CONFIRMED},
    "ExtendReservation": {ACTIVE},
    "ReserveNumbers": {ACTIVE},
    "HoldNumbers": {ACTIVE},
    "": {EXPIRED},
}
"""How a command may leave a reservation."""
_BEFORE = {
    ("QuarantineNumbers", State.QUARANTINED): (State.EMPTY, State.ASSIGNED),
    ("ReserveNumbers", State.RESERVED): (State.QUARANTINED,),
    ("ExtendReservation", State.RESERVED): (State.RESERVED,),
    ("CancelReservation", State.QUARANTINED): (State.RESERVED,),
    ("ConfirmReservation", State.QUARANTINED): (State.RESERVED,),
    ("ConfirmReservation", State.ASSIGNED): (State.RESERVED,),
    ("", State.QUARANTINED): (State.RESERVED,),
    ("HoldNumbers", State.HELD): (State.QUARANTINED, State.RESERVED),
    ("UnholdNumbers", State.QUARANTINED): (State.HELD,),
}
"""From which states a command may bring a number into a state."""


class ReservationLedger:
    """Numbers and reservations as all values so far leave them; `faults` are what must not be."""

    def __init__(self, *, reservations_kept_s: int) -> None:
        self._kept_s = reservations_kept_s
        self.position = 0
        self.faults: list[str] = []
        self.commands: Counter[str] = Counter()
        self.controls: dict[int, int] = {}
        """The control word of each number."""
        self.reservations: dict[str, KeptReservation] = {}
        self.first_numbers: dict[str, list[int]] = {}
        """What each reservation was given at first."""
        self.quarantined_at: dict[tuple[str, int], int] = {}
        """Of each number when it was reserved, by reservation and number."""
        self._holders: dict[int, str] = {}
        self._held: defaultdict[str, set[int]] = defaultdict(set)
        self._asked: dict[tuple[str, str], str] = {}
        self._command_ids: set[str] = set()
        self._decided_at = 0
        self._changes: list[npt.NDArray[np.void]] = []

    @property
    def assigned(self) -> set[int]:
        """The numbers that customers have."""
        states = ((number, control & 0xFF) for number, control in self.controls.items())
        return {number for number, state in states if state == State.ASSIGNED}

    def changes(self) -> npt.NDArray[np.void]:
        """Rows of CHANGE that the history must have, in its order."""
        return np.concatenate([np.empty(0, CHANGE), *self._changes])

    def take(self, position: int, value: KeeperValue) -> None:
        """The next value of the journal."""
        said = f"position={position} {value.command or 'nobody'}"
        self._check(position == self.position + 1, said, f"follows {self.position}")
        self._check(value.decided_at >= self._decided_at, said, "time goes back")
        self.position, self._decided_at = position, value.decided_at
        self.commands[value.command] += 1
        if value.command_id:
            self._check(value.command_id not in self._command_ids, said, "command done twice")
            self._command_ids.add(value.command_id)
        headers = np.frombuffer(value.headers, HEADER)
        keys = headers["key"] if len(headers) else np.fromiter(value.keys, np.uint64)
        numbers = (keys & np.uint64(NUMBER_MASK)).tolist()
        self._remember_changes(position, value, numbers)
        whose = list(value.row_reservations) or [0] * len(headers)
        self._check(len(whose) == len(headers), said, "rows of reservations do not fit")
        for row, control in enumerate(headers["control"].tolist()):
            kept = value.reservations[whose[row] - 1] if whose[row] else None
            for fault in self._row_faults(value, row, numbers[row], control, kept):
                self.faults.append(f"{said}: +{numbers[row]}: {fault}")
            self._place(numbers[row], control, kept)
        if value.command == "ReserveNumbers" and value.reservations:
            asked = value.reservations[0].id
            since = headers["quarantined_at"].tolist()
            self.quarantined_at.update(zip(((asked, n) for n in numbers), since, strict=True))
        for kept in value.reservations:
            for fault in self._reservation_faults(value, kept):
                self.faults.append(f"{said}: reservation {kept.id}: {fault}")
            self.reservations[kept.id] = kept

    def _row_faults(
        self,
        value: KeeperValue,
        row: int,
        number: int,
        control: int,
        kept: KeptReservation | None,
    ) -> Iterator[str]:
        state, before = State(control & 0xFF), State(self.controls.get(number, 0) & 0xFF)
        holder, said = self._holders.get(number, ""), Verdict(value.previous[row])
        if value.command == "ReserveNumbers":
            if said != Verdict.CLEAN:
                yield f"reserved, and it was {said.name}"
            if holder:
                yield f"reserved, and reservation {holder} has it"
        if value.command == "QuarantineNumbers" and before == State.ASSIGNED:
            last_tracked_at = self.controls[number] >> 32
            if self._quarantined_at(value, row) < last_tracked_at + FORMER_LIFE_S:
                yield f"it was tracked until {last_tracked_at}"
        if before not in _BEFORE.get((value.command, state), ()):
            yield f"{before.name} becomes {state.name}"
        if before == State.RESERVED and state != State.HELD and said != Verdict.RESERVED:
            yield f"it was reserved, and the value says {said.name}"
        if before == State.RESERVED and (kept is None or kept.id != holder):
            yield f"it is reservation {holder}'s, and not {kept.id if kept else 'nobody'}'s"
        if state in (State.RESERVED, State.ASSIGNED) and kept and number not in kept.numbers:
            yield f"reservation {kept.id} does not name it"
        if state == State.RESERVED and kept and control >> 32 != kept.expires_at:
            yield f"lease={control >> 32}, reservation's={kept.expires_at}"

    @staticmethod
    def _quarantined_at(value: KeeperValue, row: int) -> int:
        return int(np.frombuffer(value.headers, HEADER)["quarantined_at"][row])

    def _place(self, number: int, control: int, kept: KeptReservation | None) -> None:
        self.controls[number] = control
        self._held[self._holders.pop(number, "")].discard(number)
        if control & 0xFF == State.RESERVED and kept:
            self._holders[number] = kept.id
            self._held[kept.id].add(number)

    def _reservation_faults(self, value: KeeperValue, kept: KeptReservation) -> Iterator[str]:
        before = self.reservations.get(kept.id)
        if kept.state not in _AFTER.get(value.command, ()):
            yield f"becomes {types.ReservationState.Name(kept.state)}"
        if before is None:
            self.first_numbers[kept.id] = list(kept.numbers)
            if value.command != "ReserveNumbers":
                yield "was never made"
            if kept.request_id:
                yield from self._request_faults(kept)
        elif before.state != ACTIVE:
            yield "had ended"
        elif kept.state != EXPIRED and before.expires_at < value.decided_at:
            yield f"its lease was over at {before.expires_at}"
        held = self._held.get(kept.id, set())
        if held != (set(kept.numbers) if kept.state == ACTIVE else set()):
            yield f"names {sorted(kept.numbers)}, headers {sorted(held)}"
        if kept.state == EXPIRED and kept.expires_at > value.decided_at:
            yield f"expires at {value.decided_at}, before {kept.expires_at}"
        if kept.state != ACTIVE:
            self._held.pop(kept.id, None)

    def _request_faults(self, kept: KeptReservation) -> Iterator[str]:
        asked = kept.actor, kept.request_id
        other = self.reservations.get(self._asked.get(asked, ""))
        if other is not None and (
            other.state == ACTIVE or other.ended_at + self._kept_s > kept.created_at
        ):
            yield f"request {kept.request_id} made {other.id} before"
        self._asked[asked] = kept.id

    def _remember_changes(self, position: int, value: KeeperValue, numbers: list[int]) -> None:
        rows = np.empty(len(numbers), CHANGE)
        rows["position"], rows["row"] = position, range(len(numbers))
        rows["number"] = numbers
        rows["previous"] = np.frombuffer(value.previous, np.uint8)
        rows["current"] = np.frombuffer(value.current, np.uint8)
        self._changes.append(rows)

    def _check(self, holds: bool, said: str, fault: str) -> None:
        if not holds:
            self.faults.append(f"{said}: {fault}")
