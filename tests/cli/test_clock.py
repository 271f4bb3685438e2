"""`ringfence clock`, and what `status` says of the time, against a told server."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.command_line import Ringfence, facts, objects
from support.told_server import Servicer, address, ringfence, servicer

from ringfence.v1 import quarantine_service_pb2 as v1

__all__ = ["address", "ringfence", "servicer"]  # fixtures

SECONDS = 1_750_000_000
TIME = "2025-06-15T15:06:40Z"
WALL = "2025-09-23T15:06:40Z"
LEAP_S = 100 * 86_400
DISPUTE = "the wall clock is 8640000 s ahead"


class Told:
    """A server that disputes its wall clock, or does not."""

    def __init__(self, servicer: Servicer) -> None:
        self.dispute, self.still = DISPUTE, False
        self.servicer = servicer
        servicer.answer = self.answer

    def answer(self, request: Any) -> Any:
        if isinstance(request, v1.AcceptClockRequest):
            return v1.AcceptClockResponse(
                time=Timestamp(seconds=SECONDS + LEAP_S), disputed=self.still
            )
        return v1.GetStatusResponse(
            time=Timestamp(seconds=SECONDS),
            time_dispute=self.dispute,
            wall_clock=Timestamp(seconds=SECONDS + LEAP_S),
        )

    @property
    def accepted(self) -> list[Any]:
        return [each for each in self.servicer.requests if isinstance(each, v1.AcceptClockRequest)]


@pytest.fixture
def told(servicer: Servicer) -> Told:
    return Told(servicer)


def test_clock_shows_both_times_and_whether_they_are_disputed(
    told: Told, ringfence: Ringfence
) -> None:
    assert facts(ringfence("clock", code=1)) == {
        "time": TIME,
        "wall clock": f"{WALL}, not synchronised",
        "disputed": DISPUTE,
    }
    (shown,) = objects(ringfence("clock", "--json", code=1))
    assert shown == {
        "time": TIME,
        "time_dispute": DISPUTE,
        "wall_clock": WALL,
        "wall_clock_synchronised": False,
    }
    told.dispute = ""
    assert facts(ringfence("clock", "show"))["disputed"] == "no"


def test_status_says_that_time_is_disputed(told: Told, ringfence: Ringfence) -> None:
    assert facts(ringfence("status"))["time"] == f"{TIME}, disputed: {DISPUTE}"
    told.dispute = ""
    assert facts(ringfence("status"))["time"] == TIME


def test_accept_sends_what_was_shown_and_the_note(told: Told, ringfence: Ringfence) -> None:
    result = ringfence("clock", "accept", "--yes", "--note", "NTP was down")
    assert facts(result) == {"time": WALL, "disputed": "no"}
    seen = Timestamp(seconds=SECONDS + LEAP_S)
    assert told.accepted == [v1.AcceptClockRequest(wall_clock=seen, note="NTP was down")]
    told.still = True
    (shown,) = objects(ringfence("clock", "accept", "--yes", "--json", code=1))
    assert shown == {"time": WALL, "disputed": True}


def test_accept_asks_first_and_nobody_to_ask_is_wrong_usage(
    told: Told, ringfence: Ringfence
) -> None:
    result = ringfence("clock", "accept", code=2)
    assert f"wall clock: {WALL}, not synchronised" in result.stderr
    assert "give --yes" in result.stderr
    assert told.accepted == []


def test_accept_where_nothing_is_disputed_sends_nothing(told: Told, ringfence: Ringfence) -> None:
    told.dispute = ""
    assert facts(ringfence("clock", "accept")) == {"time": TIME, "disputed": "no"}
    assert told.accepted == []


def test_older_server_that_says_no_time_is_told_apart(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    servicer.answer = lambda _: v1.GetStatusResponse(version="0.1")
    assert facts(ringfence("clock"))["time"] == "-"
    assert "older than this command" in ringfence("clock", "accept", "--yes", code=4).stderr
