"""Quarantine, and complaints about numbers that left it."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.engine.number import is_number
from ringfence.engine.table.header_rows import Headers, Numbers, quarantine_headers
from ringfence.engine.table.writer import SlotsHeld, TableFull
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import FORMER_LIFE_S, Outcome
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.keeper.commands.command_fields import read_note
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.keeper.numbers.looked_at import NUMBERS_A_SLICE
from ringfence.server.keeper.numbers.quarantine_batch import QuarantineBatch, read_quarantine_batch
from ringfence.server.keeper.numbers.room import Room
from ringfence.server.link.bounds import REJECTIONS_MAX
from ringfence.server.link.drain import Context, Drain
from ringfence.server.link.refusal import bad_field, table_full, wrong_state
from ringfence.server.link.routes import Answer, parse, parse_numbers
from ringfence.server.link.turns import Turns
from ringfence.server.state.former_lives import FormerLivesFull
from ringfence.server.state.keeper_state import KeeperState
from ringfence.v1 import quarantine_service_pb2 as pb

_FAULTY = 0xFF  # an outcome beside those of the table
_NOBODY = np.empty(0, np.uint64)


class QuarantineCommands:
    """Decides them against the table; no other command is about to change the same numbers."""

    def __init__(
        self,
        verdicts: VerdictReader,
        state: KeeperState,
        log: CommandLog,
        drain: Drain,
        *,
        turns: Turns,
        room: Room,
    ) -> None:
        """Bulk commands are judged in the thread of `turns`."""
        self._verdicts = verdicts
        self._ahead = VerdictReader(verdicts.segment)
        self._turns = turns
        self._state = state
        self._log = log
        self._drain = drain
        self._room = room

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {
            "QuarantineNumbers": self.quarantine_numbers,
            "ReportComplaint": self.report_complaint,
        }

    async def quarantine_numbers(self, _: object, context: Context) -> bytes:
        """Quarantines the numbers of one message, as a worker passes them on; without room for all
        that are new it changes nothing.
        """
        message = await self._drain.read(context)
        request, numbers = parse_numbers(pb.QuarantineNumbersRequest, message or b"")
        judged: _Judged | None = None

        async def ahead() -> None:
            nonlocal judged
            judged = await self._judge_ahead(request, numbers, self._log.now())

        def decide(value: KeeperValue) -> pb.QuarantineNumbersResponse:
            now, pool = value.decided_at, self._state.open_pool_index(request.pool)
            if judged is None:
                batch = read_quarantine_batch(numbers, request, now)
                return self._quarantine(value, pool, self._judge(self._verdicts, pool, batch))
            return self._quarantine(value, pool, judged)

        while True:
            try:
                return await self._log.carry_out(
                    "QuarantineNumbers", context, decide, about=numbers, ahead=ahead
                )
            except SlotsHeld as held:
                await self._room.make(held.wanted)

    async def report_complaint(self, message: bytes, context: Context) -> bytes:
        """Records what a customer says of a number that was handed out."""
        request = parse(pb.ReportComplaintRequest, message)
        if not is_number(request.number):
            raise bad_field("number", f"value={request.number}, bound=7 to 15 digits")
        note = read_note(request.note)

        def decide(value: KeeperValue) -> pb.ReportComplaintResponse:
            value.note = note
            received_at = value.decided_at
            if request.HasField("received_at"):
                received_at = request.received_at.seconds
            hand_out = self._state.hand_outs.find(request.number, value.decided_at)
            if hand_out is None:
                raise wrong_state(
                    f"+{request.number}", "value=not handed out, bound=handed out within 400 days"
                )
            assigned_at, pool, policy = hand_out
            if not assigned_at <= received_at <= value.decided_at:
                raise bad_field(
                    "received_at",
                    f"value={received_at}, bound={assigned_at} to {value.decided_at}",
                )
            placed = self._state.decided.policies[policy]
            value.complaints.add(
                number=request.number,
                pool=pool,
                policy=placed.name if placed else "",
                assigned_at=assigned_at,
                received_at=received_at,
            )
            return pb.ReportComplaintResponse()

        return await self._log.carry_out("ReportComplaint", context, decide, about=_NOBODY)

    async def _judge_ahead(
        self, request: pb.QuarantineNumbersRequest, numbers: Numbers, now: int
    ) -> "_Judged":
        """Judges a bulk command in slices, beside the loop."""
        pool = self._state.open_pool_index(request.pool)
        read = partial(read_quarantine_batch, numbers, request, now)
        batch = await self._turns.take(read)
        parts = []
        for begin in range(0, len(batch), NUMBERS_A_SLICE):
            part = batch[begin : begin + NUMBERS_A_SLICE]
            judge = partial(self._judge, self._ahead, pool, part)
            parts.append(await self._turns.take(judge))
        columns = zip(*((part.outcome, part.previous, part.current) for part in parts), strict=True)
        return _Judged(batch, *map(np.concatenate, columns))

    def _judge(self, verdicts: VerdictReader, pool: int, batch: QuarantineBatch) -> "_Judged":
        """What becomes of each number; the verdicts are those of numbers that are quarantined."""
        outcome, previous, current = np.zeros((3, len(batch)), np.uint8)
        outcome[:] = _FAULTY
        sound = np.flatnonzero(batch.fault == 0)
        outcome[sound] = self._state.judge(batch.number[sound], batch.quarantined_at[sound])
        outcome[(outcome == Outcome.QUARANTINED) & batch.again] = Outcome.ALREADY_QUARANTINED
        judged = _Judged(batch, outcome, previous, current)
        chosen, headers = judged.chosen, judged.headers(pool, batch.now)
        previous[chosen] = verdicts.check(batch.number[chosen], now=batch.now)[0]
        current[chosen] = verdicts.check_as(headers, now=batch.now)[0]
        return judged

    def _quarantine(
        self, value: KeeperValue, pool: int, judged: "_Judged"
    ) -> pb.QuarantineNumbersResponse:
        batch, chosen, outcome = judged.batch, judged.chosen, judged.outcome
        try:
            self._state.check_room(batch.number[chosen])
        except (TableFull, FormerLivesFull) as error:
            raise table_full(str(error)) from None
        value.headers = judged.headers(pool, value.decided_at).tobytes()
        value.previous = judged.previous[chosen].tobytes()
        value.current = judged.current[chosen].tobytes()
        rejected = np.flatnonzero((outcome == _FAULTY) | (outcome == Outcome.TOO_EARLY))
        return pb.QuarantineNumbersResponse(
            accepted=len(chosen),
            already_quarantined=int(np.count_nonzero(outcome == Outcome.ALREADY_QUARANTINED)),
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
        earliest = self._state.earliest_quarantine(int(batch.number[index]))
        return (
            f"quarantined_at: value={_rfc_3339(batch.quarantined_at[index])},"
            f" bound=not before {_rfc_3339(earliest)},"
            f" {FORMER_LIFE_S} s after the number was last tracked"
        )


class _Judged(NamedTuple):
    """What becomes of each number of a batch, and its verdicts before and after."""

    batch: QuarantineBatch
    outcome: npt.NDArray[np.uint8]
    previous: npt.NDArray[np.uint8]
    current: npt.NDArray[np.uint8]

    @property
    def chosen(self) -> npt.NDArray[np.intp]:
        """The rows of those that are quarantined."""
        return np.flatnonzero(self.outcome == Outcome.QUARANTINED)

    def headers(self, pool: int, now: int) -> Headers:
        """These numbers' headers when they are quarantined."""
        batch, chosen = self.batch, self.chosen
        return quarantine_headers(
            batch.number[chosen],
            pool=pool,
            quarantined_at=batch.quarantined_at[chosen],
            observed_since=batch.observed_since[chosen],
            reason=batch.reason[chosen].astype(np.uint8),
            now=now,
        )


def _rfc_3339(moment: int) -> str:
    return Timestamp(seconds=int(moment)).ToJsonString()
