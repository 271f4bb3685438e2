"""GetStatus: what the installation is and holds."""

from collections.abc import Callable
from importlib.metadata import version

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.engine.settings.reading import read_spray
from ringfence.engine.table.slots import Slots
from ringfence.server.journal.journal import Journal
from ringfence.server.keeper.clock.clock import S
from ringfence.server.keeper.clock.kept_time import KeptTime
from ringfence.server.keeper.numbers.room import Room
from ringfence.server.link.routes import Answer, parsing
from ringfence.v1 import quarantine_service_pb2 as pb


def status_answer(
    slots: Slots,
    room: Room,
    journal: Journal,
    time: KeptTime,
    snapshot_at: Callable[[], int],
    *,
    workers: int,
) -> Answer:
    """An answer to GetStatus."""
    segment = slots.segment

    async def get_status(_: pb.GetStatusRequest) -> pb.GetStatusResponse:
        taken_at = snapshot_at()
        reading = time.read()
        counters = segment.counters()
        spray = read_spray(segment)
        return pb.GetStatusResponse(
            snapshot_at=Timestamp(seconds=taken_at) if taken_at else None,
            version=version("ringfence"),
            workers=workers,
            capacity_numbers=segment.capacity_numbers,
            numbers=slots.in_use,
            numbers_ready=slots.ready,
            room_held_up=room.held_up,
            ring_entries=segment.ring_entries,
            events_total=sum(counted.accepted for counted in counters),
            spray_callers=segment.spray_callers,
            spray_events=sum(counted.spray for counted in counters),
            spray_numbers=spray.numbers,
            spray_window=Duration(seconds=spray.window_s) if spray.numbers else None,
            journal_writable=journal.writable,
            time=Timestamp(seconds=time.now()),
            time_dispute=time.dispute,
            wall_clock=Timestamp(seconds=reading.wall_ns // S),
            wall_clock_synchronised=reading.synchronised,
        )

    return parsing(pb.GetStatusRequest, get_status)
