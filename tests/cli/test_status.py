"""`ringfence status` against a told server: what room it says there is."""

import pytest
from support.command_line import Ringfence, facts
from support.told_server import Servicer, address, ringfence, servicer

from ringfence.v1 import quarantine_service_pb2 as v1

__all__ = ["address", "ringfence", "servicer"]  # fixtures


@pytest.mark.parametrize(
    ("ready", "held_up", "room"),
    [
        (600, "", "for 600 numbers"),
        (900, "", "for 600 numbers"),
        (131_072, "", "for 600 numbers"),
        (250, "", "for 600 numbers, 250 of them at once"),
        (0, "slots are held up by worker-1", "slots are held up by worker-1"),
    ],
)
def test_status_says_for_how_many_numbers_there_is_room(
    servicer: Servicer, ringfence: Ringfence, ready: int, held_up: str, room: str
) -> None:
    servicer.answer = lambda _: v1.GetStatusResponse(
        numbers=400, capacity_numbers=1_000, numbers_ready=ready, room_held_up=held_up
    )
    assert facts(ringfence("status"))["room"] == room
