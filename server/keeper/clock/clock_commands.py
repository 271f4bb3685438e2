"""The clock as operators see it: they accept the wall clock where time is disputed."""

from collections.abc import Mapping

from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.keeper.clock.clock import LATEST_NS, S
from ringfence.server.keeper.clock.kept_time import KeptTime, rfc_3339
from ringfence.server.keeper.commands.command_fields import read_note
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.link.drain import Context
from ringfence.server.link.refusal import bad_field
from ringfence.server.link.routes import Answer, parse
from ringfence.v1 import quarantine_service_pb2 as pb

SEEN_S_MAX = 300  # between what somebody has seen and what there is


class ClockCommands:
    """Decided like all commands, so that a start knows what was accepted."""

    def __init__(self, time: KeptTime, log: CommandLog) -> None:
        self._time = time
        self._log = log

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {"AcceptClock": self.accept_clock}

    async def accept_clock(self, message: bytes, context: Context) -> bytes:
        """Believes the wall clock, if it still shows about what the caller has seen."""
        request = parse(pb.AcceptClockRequest, message)
        note = read_note(request.note)

        def decide(value: KeeperValue) -> pb.AcceptClockResponse:
            wall_s = self._time.read().wall_ns // S
            if request.HasField("wall_clock"):
                _check_seen(request.wall_clock.seconds, wall_s)
            if not 0 < wall_s < LATEST_NS // S:
                raise bad_field("wall_clock", f"value={wall_s}, bound=1 to {LATEST_NS // S - 1}")
            value.note = note
            value.decided_at = self._time.accept()
            return pb.AcceptClockResponse(
                time=Timestamp(seconds=value.decided_at), disputed=bool(self._time.dispute)
            )

        return await self._log.carry_out("AcceptClock", context, decide)


def _check_seen(seen_s: int, wall_s: int) -> None:
    if abs(seen_s - wall_s) > SEEN_S_MAX:
        raise bad_field(
            "wall_clock",
            f"value={seen_s}, bound={SEEN_S_MAX} s from what it shows now, {rfc_3339(wall_s)}",
        )
