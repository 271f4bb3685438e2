"""`ringfence explain` against a told server: the verdict, its reservation and its history."""

from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.command_line import Ringfence, objects
from support.told_server import Servicer, abort, address, info, ringfence, servicer

from ringfence import HistoryEntry, Verdict
from ringfence.cli.history_text import history_lines
from ringfence.v1 import number_service_pb2 as v1
from ringfence.v1 import types_pb2 as types_v1

__all__ = ["address", "ringfence", "servicer"]  # fixtures

CALLED = 447700900000
SECONDS = 1_750_000_000
MOMENT = datetime.fromtimestamp(SECONDS, UTC)
S = grpc.StatusCode


def entry(seconds: int) -> v1.HistoryEntry:
    return v1.HistoryEntry(
        changed_at=Timestamp(seconds=seconds),
        number=CALLED,
        pool="p",
        previous=types_v1.VERDICT_CLEAN,
        current=types_v1.VERDICT_RESERVED,
        command="ReserveNumbers",
        actor="bss",
        reservation="000000000000-8f9fd039",
    )


def told(request: Any, entries: int = 2) -> Any:
    """A reserved number, its reservation, its history."""
    match request:
        case v1.GetNumberRequest():
            return v1.Number(
                number=CALLED,
                verdict=types_v1.VERDICT_RESERVED,
                pool="p",
                policy="default",
                quarantined_at=Timestamp(seconds=SECONDS),
                observed_since=Timestamp(seconds=SECONDS),
                reservation="r-1",
            )
        case v1.GetReservationRequest():
            return v1.Reservation(
                id="r-1",
                state=types_v1.RESERVATION_STATE_ACTIVE,
                actor="bss",
                expires_at=Timestamp(seconds=SECONDS + 60),
            )
    return v1.ListHistoryResponse(entries=[entry(SECONDS - n) for n in range(entries)])


@pytest.fixture(autouse=True)
def answer(servicer: Servicer) -> None:
    servicer.answer = told


def test_explain_tells_the_reservation_and_the_history(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    result = ringfence("explain", f"+{CALLED}")
    assert result.stdout.splitlines()[-1].endswith(", by bss")  # a change is a line
    said = " ".join(result.stdout.split())
    assert "Reserved for bss until 2025-06-15T15:07:40Z" in said
    assert ": reservation r-1." in said
    words = "reserved for an allocator (RESERVED), reservation 000000000000-8f9fd039, by bss"
    assert said.endswith(
        f"History, newest first: 2025-06-15T15:06:40Z {words} 2025-06-15T15:06:39Z {words}"
    )
    assert [type(request) for request in servicer.requests] == [
        *(v1.GetNumberRequest, v1.ListHistoryRequest, v1.GetReservationRequest)
    ]
    assert servicer.requests[1] == v1.ListHistoryRequest(number=CALLED, page_size=21)


def test_explain_of_another_time_tells_the_history_until_then(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    ringfence("explain", f"+{CALLED}", "--at", "2025-06-15T15:06:40Z")
    assert servicer.requests[1].until == Timestamp(seconds=SECONDS + 1)


def test_a_long_history_is_told_where_to_find(servicer: Servicer, ringfence: Ringfence) -> None:
    servicer.answer = lambda request: told(request, 21)
    said = ringfence("explain", f"+{CALLED}").stdout
    assert said.count("reserved for an allocator") == 20
    assert "earlier changes: ringfence history NUMBER" in said
    (known,) = objects(ringfence("explain", f"+{CALLED}", "--json"))
    assert len(known["history"]) == 20
    assert known["history"][0]["changed_at"] == "2025-06-15T15:06:40Z"
    servicer.answer = lambda request: told(request, 20)
    assert "earlier changes" not in ringfence("explain", f"+{CALLED}").stdout


@pytest.mark.parametrize("status", [S.UNIMPLEMENTED, S.INTERNAL])
def test_explain_without_history_or_reservation_shows_the_rest(
    status: grpc.StatusCode, servicer: Servicer, ringfence: Ringfence
) -> None:
    servicer.failures = [lambda _: None, *[abort(status, text="not now")] * 2]
    result = ringfence("explain", f"+{CALLED}")
    assert f"+{CALLED}  RESERVED" in result.stdout
    assert "Reserved for an allocator: r-1." in result.stdout
    assert "History" not in result.stdout
    assert result.stderr.startswith("its history cannot be shown: ")
    assert result.stderr.endswith("not now\n")
    servicer.failures = [lambda _: None, abort(status, text="not now")]
    (known,) = objects(ringfence("explain", f"+{CALLED}", "--json"))
    assert known["history"] is None


def test_explain_of_a_number_that_cannot_be_asked_about_fails(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    servicer.failures = [abort(S.INVALID_ARGUMENT, info("BAD_FIELD"), text="number: bound")]
    ringfence("explain", f"+{CALLED}", code=4)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (("AGING", "CLEAN", "", "", "", ""), "became CLEAN"),
        (("RESERVED", "CLEAN", "", "", "", "r-1"), "reservation ran out, CLEAN, reservation r-1"),
        (
            ("CLEAN", "HELD", "HoldNumbers", "ann", "court order", ""),
            "held by an operator (HELD), by ann: court order",
        ),
        (
            ("RESERVED", "ASSIGNED", "ConfirmReservation", "bss", "", "r-1"),
            "handed out to a new owner (ASSIGNED), reservation r-1, by bss",
        ),
        (
            ("RESERVED", "NOISY", "ConfirmReservation", "bss", "", "r-1"),
            "no longer clean when it was to be handed out (NOISY), reservation r-1, by bss",
        ),
        (("NOISY", "NOISY", "MoveNumbers", "ann", "", ""), "moved to pool p, by ann"),
        ((None, None, "ReportComplaint", "ann", "a bank", ""), "complaint of its new owner"),
        (
            ("RESERVED", "RESERVED", "ExtendReservation", "bss", "", "r-1"),
            "its reservation got another end, reservation r-1, by bss",
        ),
        (("CLEAN", "AGING", "NewCommand", "", "", ""), "NewCommand (AGING)"),
    ],
)
def test_each_change_is_told_in_words(fields: tuple[Any, ...], words: str) -> None:
    previous, current, command, actor, note, reservation = fields
    changed = HistoryEntry(
        changed_at=MOMENT,
        number=CALLED,
        pool="p",
        previous=previous and Verdict[previous],
        current=current and Verdict[current],
        command=command,
        actor=actor,
        note=note,
        reservation=reservation,
    )
    _, line = history_lines([changed], more=False)
    assert line.startswith(f"  2025-06-15T15:06:40Z  {words}")


def test_no_history_is_said_too() -> None:
    assert list(history_lines([], more=False)) == ["No change of it is recorded."]
