"""Quarantine, and complaints about numbers that left it."""

from collections.abc import Mapping

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.engine.number import is_number
from ringfence.engine.table.header_rows import quarantine_headers
from ringfence.engine.table.writer import TableFull
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import FORMER_LIFE_S, Outcome
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.keeper.commands.command_fields import fill_change, read_note
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.keeper.numbers.quarantine_batch import QuarantineBatch, read_quarantine_batch
from ringfence.server.link.bounds import REJECTIONS_MAX
from ringfence.server.link.drain import Context, Drain
from ringfence.server.link.refusal import bad_field, table_full, wrong_state
from ringfence.server.link.routes import Answer, parse
from ringfence.server.state.keeper_state import KeeperState
from ringfence.v1 import quarantine_service_pb2 as pb


class QuarantineCommands:
    """Decides them against the table; no other command is about to change the same numbers."""

    def __init__(
        self, verdicts: VerdictReader, state: KeeperState, log: CommandLog, drain: Drain
    ) -> None:
        self._verdicts = verdicts
        self._state = state
        self._log = log
        self._drain = drain

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
        request = parse(pb.QuarantineNumbersRequest, message or b"")
        about = np.fromiter(request.numbers, np.uint64, len(request.numbers))
        return await self._log.carry_out(
            "QuarantineNumbers",
            context,
            lambda value: self._quarantine(request, value),
            about=about,
        )

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

        return await self._log.carry_out("ReportComplaint", context, decide)

    def _quarantine(
        self, request: pb.QuarantineNumbersRequest, value: KeeperValue
    ) -> pb.QuarantineNumbersResponse:
        now = value.decided_at
        pool = self._state.open_pool_index(request.pool)
        batch = read_quarantine_batch(request, now)
        sound = np.flatnonzero(batch.fault == 0)
        outcomes = self._state.writer.judge(batch.number[sound], batch.quarantined_at[sound])
        chosen = sound[outcomes == Outcome.QUARANTINED]
        try:
            self._state.check_room(batch.number[chosen])
        except TableFull as error:
            raise table_full(str(error)) from None
        headers = quarantine_headers(
            batch.number[chosen],
            pool=pool,
            quarantined_at=batch.quarantined_at[chosen],
            observed_since=batch.observed_since[chosen],
            reason=batch.reason[chosen].astype(np.uint8),
            now=now,
        )
        fill_change(value, self._verdicts, headers)
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
        earliest = self._state.writer.earliest_quarantine(int(batch.number[index]))
        return (
            f"quarantined_at: value={_rfc_3339(batch.quarantined_at[index])},"
            f" bound=not before {_rfc_3339(earliest)},"
            f" {FORMER_LIFE_S} s after the number was last tracked"
        )


def _rfc_3339(moment: int) -> str:
    return Timestamp(seconds=int(moment)).ToJsonString()
