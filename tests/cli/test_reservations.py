"""`ringfence reserve`, `reservations`, `confirm`, `extend`, `cancel` against a told server."""

import getpass
import os
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import PreconditionFailure
from support.command_line import Ringfence, facts, objects
from support.told_server import Servicer, abort, address, info, ringfence, servicer

from ringfence.v1 import number_service_pb2 as v1
from ringfence.v1 import types_pb2 as types_v1

__all__ = ["address", "ringfence", "servicer"]  # fixtures

CALLED = 447700900000
SECONDS = 1_750_000_000
S = grpc.StatusCode


def reservation(*numbers: int, refused: tuple[int, ...] = ()) -> v1.Reservation:
    return v1.Reservation(
        id="r-1",
        pool="nl-mobile",
        state=types_v1.RESERVATION_STATE_ACTIVE,
        numbers=numbers,
        refused=[
            types_v1.Refusal(number=number, verdict=types_v1.VERDICT_NOISY) for number in refused
        ],
        count=len(numbers),
        created_at=Timestamp(seconds=SECONDS),
        expires_at=Timestamp(seconds=SECONDS + 1800),
        actor="bss",
    )


@pytest.fixture(autouse=True)
def answer(servicer: Servicer) -> None:
    servicer.answer = lambda _: reservation(CALLED, CALLED + 1)


def test_reserve_shows_the_reservation_and_its_numbers(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    result = ringfence("reserve", "nl-mobile", "--count", "2", "--request-id", "mine")
    assert servicer.requests == [
        v1.ReserveNumbersRequest(pool="nl-mobile", count=2, request_id="mine")
    ]
    shown = facts(result)
    assert (shown["reservation"], shown["state"], shown["numbers"]) == ("r-1", "ACTIVE", "2")
    assert shown["expires at"] == "2025-06-15T15:36:40Z"
    assert result.stdout.splitlines()[-2:] == [f"  +{CALLED}", f"  +{CALLED + 1}"]


def test_reserve_sends_every_option(servicer: Servicer, ringfence: Ringfence) -> None:
    ringfence(
        *("reserve", "p", "--count", "9", "--prefix", "+4477", "--lease", "1d12h"),
        *("--request-id", "mine", "--allow-partial"),
    )
    assert servicer.requests == [
        v1.ReserveNumbersRequest(
            pool="p",
            count=9,
            prefix="4477",
            lease=Duration(seconds=129_600),
            request_id="mine",
            allow_partial=True,
        )
    ]


def test_reserve_takes_the_named_numbers_in_their_order(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    ringfence("reserve", "p", f"+{CALLED + 5}", f"+{CALLED}-+{CALLED + 1}")
    (request,) = servicer.requests
    assert list(request.numbers) == [CALLED + 5, CALLED, CALLED + 1]
    assert request.count == 0
    assert len(request.request_id) == 32
    ringfence("reserve", "p", "-", text=f"+{CALLED}\n")
    assert list(servicer.requests[1].numbers) == [CALLED]


def test_a_reservation_in_json_has_the_fields_of_the_contract(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    servicer.answer = lambda _: reservation(CALLED, refused=(CALLED + 1,))
    (told,) = objects(ringfence("reserve", "p", "--count", "1", "--json"))
    assert told == {
        "id": "r-1",
        "pool": "nl-mobile",
        "state": "ACTIVE",
        "count": 1,
        "numbers": [f"+{CALLED}"],
        "refused": [{"number": f"+{CALLED + 1}", "verdict": "NOISY"}],
        "created_at": "2025-06-15T15:06:40Z",
        "expires_at": "2025-06-15T15:36:40Z",
        "actor": "bss",
    }
    assert told.keys() == set(v1.Reservation.DESCRIPTOR.fields_by_name)


def test_too_few_clean_numbers_is_a_no_that_says_when(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    details = info("TOO_FEW_CLEAN", clean="7", next_clean_at=str(SECONDS))
    servicer.failures = [abort(S.RESOURCE_EXHAUSTED, details, text="too few: count=9, clean=7")]
    result = ringfence("reserve", "p", "--count", "9", code=1)
    assert result.stdout == ""
    assert result.stderr == (
        "Error: too few: count=9, clean=7\n"
        "  clean now: 7\n"
        "  the next is clean from 2025-06-15T15:06:40Z, if it stays silent and is listened to\n"
    )
    servicer.failures = [abort(S.RESOURCE_EXHAUSTED, info("TOO_FEW_CLEAN", clean="0"))]
    result = ringfence("reserve", "p", "--count", "9", code=1)
    assert "clean now: 0\n  no other will become clean by silence alone" in result.stderr


def test_none_with_allow_partial_is_a_no(servicer: Servicer, ringfence: Ringfence) -> None:
    servicer.answer = lambda _: reservation(refused=(CALLED,))
    result = ringfence("reserve", "p", f"+{CALLED}", "--allow-partial", code=1)
    assert f"not held  1\n  +{CALLED}  NOISY\n" in result.stdout


def test_an_open_outcome_says_how_to_repeat_the_request(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    servicer.failures = [abort(S.UNAVAILABLE, info("JOURNAL"), text="no journal")] * 5
    result = ringfence("reserve", "p", "--count", "1", code=4)
    (request_id,) = {request.request_id for request in servicer.requests}
    assert len(servicer.requests) == 5
    assert f"--request-id {request_id} reserves them once and no more" in result.stderr
    result = ringfence("reserve", "p", "--count", "1", "--server", "127.0.0.1:1", code=3)
    assert "--request-id" in result.stderr


@pytest.mark.parametrize(
    ("command", "request_sent"),
    [
        (["confirm", "r-1"], v1.ConfirmReservationRequest(id="r-1")),
        (
            ["confirm", "r-1", "--allow-partial"],
            v1.ConfirmReservationRequest(id="r-1", allow_partial=True),
        ),
        (
            ["extend", "r-1", "--lease", "2h"],
            v1.ExtendReservationRequest(id="r-1", lease=Duration(seconds=7200)),
        ),
        (["cancel", "r-1"], v1.CancelReservationRequest(id="r-1")),
        (["reservations", "r-1"], v1.GetReservationRequest(id="r-1")),
    ],
)
def test_a_reservation_is_shown_as_the_command_left_it(
    command: list[str], request_sent: Any, servicer: Servicer, ringfence: Ringfence
) -> None:
    assert facts(ringfence(*command))["numbers"] == "2"
    assert objects(ringfence(*command, "--json"))[0]["numbers"] == [f"+{CALLED}", f"+{CALLED + 1}"]
    assert servicer.requests == [request_sent] * 2


def test_confirm_names_every_number_that_is_no_longer_clean(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    servicer.failures = [abort(S.FAILED_PRECONDITION, info("NOT_CLEAN"), text="1 is not clean")]
    servicer.answer = lambda _: reservation(refused=(CALLED, CALLED + 1))
    result = ringfence("confirm", "r-1", code=1)
    assert result.stderr == (
        "Error: 1 is not clean\n"
        f"  +{CALLED}  NOISY: more reached it than its policy allows\n"
        f"  +{CALLED + 1}  NOISY: more reached it than its policy allows\n"
    )
    assert servicer.requests[1] == v1.GetReservationRequest(id="r-1")


def test_confirm_names_those_of_the_error_when_it_cannot_ask(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    violations = [{"subject": f"+{CALLED}", "description": "NOISY"}]
    servicer.failures = [
        abort(S.FAILED_PRECONDITION, info("NOT_CLEAN"), PreconditionFailure(violations=violations)),
        abort(S.NOT_FOUND, info("NO_SUCH_RESERVATION")),
    ]
    assert f"+{CALLED}: NOISY" in ringfence("confirm", "r-1", code=1).stderr


def test_confirm_that_hands_out_none_is_a_no(servicer: Servicer, ringfence: Ringfence) -> None:
    servicer.answer = lambda _: reservation(refused=(CALLED,))
    ringfence("confirm", "r-1", "--allow-partial", code=1)


@pytest.mark.parametrize("command", ["confirm", "cancel", "reservations"])
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (S.NOT_FOUND, "NO_SUCH_RESERVATION"),
        (S.FAILED_PRECONDITION, "WRONG_STATE"),
        (S.RESOURCE_EXHAUSTED, "QUOTA"),
        (S.UNIMPLEMENTED, "?"),
    ],
)
def test_a_refused_call_has_exit_code_4(
    command: str,
    status: grpc.StatusCode,
    reason: str,
    servicer: Servicer,
    ringfence: Ringfence,
) -> None:
    servicer.failures = [abort(status, info(reason), text="it cannot be")]
    assert "it cannot be" in ringfence(command, "r-1", code=4).stderr


def test_what_the_server_does_not_know_is_said_clearly(
    servicer: Servicer, ringfence: Ringfence, address: str
) -> None:
    servicer.failures = [abort(S.UNIMPLEMENTED, text="ReserveNumbers is not in this version")]
    assert ringfence("reserve", "p", "--count", "1", code=4).stderr == (
        f"Error: the server at {address} cannot do this: ReserveNumbers is not in this version\n"
    )


def test_reservations_are_listed_without_their_numbers(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    listed = reservation()
    listed.count = 3
    servicer.answer = lambda _: v1.ListReservationsResponse(reservations=[listed])
    result = ringfence("reservations", "--pool", "p", "--state", "active", "--state", "EXPIRED")
    assert servicer.requests == [
        v1.ListReservationsRequest(
            pool="p",
            states=[types_v1.RESERVATION_STATE_ACTIVE, types_v1.RESERVATION_STATE_EXPIRED],
        )
    ]
    assert result.stdout.splitlines()[1].split() == [
        *("r-1", "ACTIVE", "nl-mobile", "3"),
        *("2025-06-15T15:06:40Z", "2025-06-15T15:36:40Z", "bss"),
    ]
    (told,) = objects(ringfence("reservations", "--json"))
    assert told["count"] == 3
    assert not {"numbers", "refused"} & told.keys()


def test_who_asks_is_the_login_name_unless_said(servicer: Servicer, ringfence: Ringfence) -> None:
    ringfence("cancel", "r-1")
    assert servicer.metadata["ringfence-actor"] == getpass.getuser()
    ringfence("cancel", "r-1", RINGFENCE_ACTOR="bss")
    assert servicer.metadata["ringfence-actor"] == "bss"
    ringfence("cancel", "r-1", "--actor", "ann", RINGFENCE_ACTOR="bss")
    assert servicer.metadata["ringfence-actor"] == "ann"
    ringfence("cancel", "r-1", "--actor", "Änne", code=2)


def test_a_user_without_a_name_asks_by_number(
    servicer: Servicer, ringfence: Ringfence, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    ringfence("cancel", "r-1")
    assert servicer.metadata["ringfence-actor"] == f"uid {os.getuid()}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["reserve", "p"],
        ["reserve", "p", "--count", "0"],
        ["reserve", "p", "--count", "10001"],
        ["reserve", "p", "--count", "1", "+447700900000"],
        ["reserve", "p", "+447700900000", "--prefix", "44"],
        ["reserve", "p", "+999000000000-+999000010000"],
        ["reserve", "p", "447700900000"],
        ["reserve", "+447700900000"],
        ["reserve", "p", "--count", "1", "--lease", "soon"],
        ["reserve", "p", "--count", "1", "--prefix", "x"],
        ["extend", "r-1"],
        ["confirm"],
        ["reservations", "r-1", "--pool", "p"],
        ["reservations", "--state", "lost"],
    ],
)
def test_wrong_usage_sends_nothing(
    arguments: list[str], servicer: Servicer, ringfence: Ringfence
) -> None:
    ringfence(*arguments, code=2)
    assert servicer.requests == []
