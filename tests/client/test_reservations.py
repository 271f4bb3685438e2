"""Client and AsyncClient against a small real server: reservations, history, repeated requests."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from support.told_server import Run, Servicer, abort, address, info, run, servicer

import ringfence
from ringfence import Refusal, ReservationState, Verdict
from ringfence.v1 import number_service_pb2 as v1
from ringfence.v1 import types_pb2 as types_v1

__all__ = ["address", "run", "servicer"]  # fixtures

CALLED = 447700900000
SECONDS = 1_750_000_000
MOMENT = datetime.fromtimestamp(SECONDS, UTC)
S = grpc.StatusCode

MADE = v1.Reservation(
    id="r-1",
    pool="nl-mobile",
    state=types_v1.RESERVATION_STATE_ACTIVE,
    numbers=[CALLED],
    refused=[types_v1.Refusal(number=CALLED + 1, verdict=types_v1.VERDICT_NOISY)],
    count=1,
    created_at=Timestamp(seconds=SECONDS),
    expires_at=Timestamp(seconds=SECONDS + 60),
    actor="bss",
)
READ = ringfence.Reservation(
    id="r-1",
    pool="nl-mobile",
    state=ReservationState.ACTIVE,
    count=1,
    numbers=(CALLED,),
    refused=(Refusal(CALLED + 1, Verdict.NOISY),),
    created_at=MOMENT,
    expires_at=MOMENT + timedelta(minutes=1),
    actor="bss",
)


@pytest.fixture(autouse=True)
def answer(servicer: Servicer) -> None:
    servicer.answer = lambda _: MADE


def test_reserve_sends_what_is_wanted_and_returns_the_reservation(
    servicer: Servicer, run: Run
) -> None:
    made = run(
        lambda client: client.reserve_numbers(
            "nl-mobile",
            3,
            prefix="4477",
            lease=timedelta(minutes=1),
            request_id="mine",
            allow_partial=True,
        )
    )
    assert made == READ
    assert servicer.requests == [
        v1.ReserveNumbersRequest(
            pool="nl-mobile",
            count=3,
            lease=Duration(seconds=60),
            request_id="mine",
            allow_partial=True,
            prefix="4477",
        )
    ]


def test_reserve_of_named_numbers_leaves_the_lease_to_the_server(
    servicer: Servicer, run: Run
) -> None:
    run(lambda client: client.reserve_numbers("p", numbers=[CALLED], request_id="mine"))
    (request,) = servicer.requests
    assert request == v1.ReserveNumbersRequest(pool="p", numbers=[CALLED], request_id="mine")
    assert not request.HasField("lease")


def test_a_request_id_is_made_and_stays_the_same_over_attempts(
    servicer: Servicer, run: Run
) -> None:
    servicer.failures = [abort(S.UNAVAILABLE, info("KEEPER")), abort(S.DEADLINE_EXCEEDED)]
    assert run(lambda client: client.reserve_numbers("p", 1)) == READ
    ids = [request.request_id for request in servicer.requests]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert 16 <= len(ids[0]) <= 64
    run(lambda client: client.reserve_numbers("p", 1))
    assert servicer.requests[-1].request_id != ids[0]


@pytest.mark.parametrize(
    ("operation", "request_sent"),
    [
        (
            lambda c: c.confirm_reservation("r-1", allow_partial=True),
            v1.ConfirmReservationRequest(id="r-1", allow_partial=True),
        ),
        (
            lambda c: c.extend_reservation("r-1", timedelta(hours=2)),
            v1.ExtendReservationRequest(id="r-1", lease=Duration(seconds=7200)),
        ),
        (lambda c: c.cancel_reservation("r-1"), v1.CancelReservationRequest(id="r-1")),
        (lambda c: c.get_reservation("r-1"), v1.GetReservationRequest(id="r-1")),
    ],
)
def test_what_becomes_of_a_reservation_may_be_repeated(
    operation: Any, request_sent: Message, servicer: Servicer, run: Run
) -> None:
    servicer.failures = [abort(S.UNAVAILABLE)]
    assert run(operation) == READ
    assert servicer.requests == [request_sent] * 2


def test_reservations_are_listed_page_after_page(servicer: Servicer, run: Run) -> None:
    servicer.answer = lambda request: v1.ListReservationsResponse(
        reservations=[
            v1.Reservation(id=request.page_token or "0", state="RESERVATION_STATE_EXPIRED")
        ],
        next_page_token="" if request.page_token else "1",
    )
    found = run(
        lambda c: c.list_reservations(
            pool="p", states=[ReservationState.EXPIRED, ReservationState.CANCELLED], page_size=1
        )
    )
    assert [(r.id, r.state) for r in found] == [
        ("0", ReservationState.EXPIRED),
        ("1", ReservationState.EXPIRED),
    ]
    assert servicer.requests[0] == v1.ListReservationsRequest(
        pool="p",
        states=[types_v1.RESERVATION_STATE_EXPIRED, types_v1.RESERVATION_STATE_CANCELLED],
        page_size=1,
    )
    assert servicer.requests[1].page_token == "1"


def test_history_is_listed_newest_first_and_may_lack_verdicts(servicer: Servicer, run: Run) -> None:
    servicer.answer = lambda _: v1.ListHistoryResponse(
        entries=[
            v1.HistoryEntry(
                changed_at=Timestamp(seconds=SECONDS),
                number=CALLED,
                pool="p",
                previous=types_v1.VERDICT_CLEAN,
                current=types_v1.VERDICT_HELD,
                command="HoldNumbers",
                actor="ann",
                note="court",
                reservation="r-1",
            ),
            v1.HistoryEntry(number=CALLED),
        ]
    )
    found = run(
        lambda c: c.list_history(CALLED, pool="p", since=SECONDS - 9, until=MOMENT, page_size=7)
    )
    assert servicer.requests == [
        v1.ListHistoryRequest(
            number=CALLED,
            pool="p",
            since=Timestamp(seconds=SECONDS - 9),
            until=Timestamp(seconds=SECONDS),
            page_size=7,
        )
    ]
    assert found == [
        ringfence.HistoryEntry(
            *(MOMENT, CALLED, "p", Verdict.CLEAN, Verdict.HELD),
            *("HoldNumbers", "ann", "court", "r-1"),
        ),
        ringfence.HistoryEntry(None, CALLED, "", None, None, "", "", "", ""),
    ]


def test_history_of_all_time_sends_no_times(servicer: Servicer, run: Run) -> None:
    servicer.answer = lambda _: v1.ListHistoryResponse()
    assert run(lambda client: client.list_history()) == []
    assert servicer.requests == [v1.ListHistoryRequest()]
    assert not servicer.requests[0].HasField("since")
