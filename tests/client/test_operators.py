"""Client and AsyncClient against a small real server: operators' commands, deletes, feeds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from support.told_server import Run, Servicer, abort, address, info, run, servicer

import ringfence
from ringfence import CommandResult, Refusal, Verdict
from ringfence import errors as e
from ringfence.v1 import quarantine_service_pb2 as v1
from ringfence.v1 import types_pb2 as types_v1

__all__ = ["address", "run", "servicer"]  # fixtures

CALLED = 447700900000
SECONDS = 1_750_000_000
MOMENT = datetime.fromtimestamp(SECONDS, UTC)
S = grpc.StatusCode
FIELDS: dict[str, Any] = {"numbers": [CALLED, CALLED + 1], "note": "why"}

COMMANDS = [
    ("hold_numbers", v1.HoldNumbersRequest, v1.HoldNumbersResponse, True),
    ("unhold_numbers", v1.UnholdNumbersRequest, v1.UnholdNumbersResponse, True),
    ("restore_numbers", v1.RestoreNumbersRequest, v1.RestoreNumbersResponse, False),
    ("retire_numbers", v1.RetireNumbersRequest, v1.RetireNumbersResponse, True),
    ("override_numbers", v1.OverrideNumbersRequest, v1.OverrideNumbersResponse, False),
]


@pytest.mark.parametrize(("name", "request_type", "response_type", "_"), COMMANDS)
def test_a_command_says_what_changed_and_what_was_refused(
    name: str, request_type: Any, response_type: Any, _: bool, servicer: Servicer, run: Run
) -> None:
    servicer.answer = lambda _: response_type(
        changed=[CALLED],
        refused=[types_v1.Refusal(number=CALLED + 1, verdict=types_v1.VERDICT_ASSIGNED)],
    )
    result = run(lambda client: getattr(client, name)([CALLED, CALLED + 1], note="why"))
    assert result == CommandResult((CALLED,), (Refusal(CALLED + 1, Verdict.ASSIGNED),))
    assert servicer.requests == [request_type(**FIELDS)]


def test_move_names_the_pool(servicer: Servicer, run: Run) -> None:
    servicer.answer = lambda _: v1.MoveNumbersResponse(changed=[CALLED])
    run(lambda client: client.move_numbers([CALLED], "other", note="why"))
    assert servicer.requests == [v1.MoveNumbersRequest(numbers=[CALLED], pool="other", note="why")]


@pytest.mark.parametrize(("name", "_", "response_type", "repeatable"), COMMANDS)
def test_a_command_is_repeated_only_when_it_does_no_harm(
    name: str, _: Any, response_type: Any, repeatable: bool, servicer: Servicer, run: Run
) -> None:
    servicer.failures = [abort(S.UNAVAILABLE, info("KEEPER"))]
    servicer.answer = lambda _: response_type(changed=[CALLED])

    def command(client: Any) -> Any:
        return getattr(client, name)([CALLED], note="why")

    if repeatable:
        assert run(command).changed == (CALLED,)
    else:
        with pytest.raises(e.KeeperDown):
            run(command)
    assert len(servicer.requests) == 1 + repeatable


def test_many_numbers_go_in_messages_that_the_contract_allows(servicer: Servicer, run: Run) -> None:
    servicer.answer = lambda request: v1.HoldNumbersResponse(
        changed=request.numbers[1:],
        refused=[types_v1.Refusal(number=request.numbers[0], verdict=types_v1.VERDICT_RETIRED)],
    )
    numbers = CALLED + np.arange(65_537, dtype=np.uint64)
    result = run(lambda client: client.hold_numbers(numbers))
    assert [len(request.numbers) for request in servicer.requests] == [65_536, 1]
    assert result.changed == tuple(numbers.tolist()[1:65_536])
    assert [refusal.number for refusal in result.refused] == [CALLED, CALLED + 65_536]


def test_no_numbers_are_no_message(servicer: Servicer, run: Run) -> None:
    assert run(lambda client: client.hold_numbers([])) == CommandResult((), ())
    assert servicer.requests == []


def test_a_complaint_is_reported_once(servicer: Servicer, run: Run) -> None:
    servicer.answer = lambda _: v1.ReportComplaintResponse()
    assert run(lambda c: c.report_complaint(CALLED, note="bank", received_at=MOMENT)) is None
    run(lambda client: client.report_complaint(CALLED, note="bank"))
    assert servicer.requests == [
        v1.ReportComplaintRequest(
            number=CALLED, note="bank", received_at=Timestamp(seconds=SECONDS)
        ),
        v1.ReportComplaintRequest(number=CALLED, note="bank"),
    ]
    servicer.failures = [abort(S.UNAVAILABLE)]
    with pytest.raises(e.Unreachable):
        run(lambda client: client.report_complaint(CALLED, note="bank"))
    assert len(servicer.requests) == 3


@pytest.mark.parametrize(
    ("what", "request_sent", "response"),
    [
        ("pool", v1.DeletePoolRequest(name="x"), v1.DeletePoolResponse()),
        ("policy", v1.DeletePolicyRequest(name="x"), v1.DeletePolicyResponse()),
        ("feed", v1.DeleteFeedRequest(name="x"), v1.DeleteFeedResponse()),
    ],
)
def test_a_setting_is_deleted_by_its_name(
    what: str, request_sent: Message, response: Message, servicer: Servicer, run: Run
) -> None:
    servicer.answer = lambda _: response
    assert run(lambda client: getattr(client, f"delete_{what}")("x")) is None
    assert servicer.requests == [request_sent]
    servicer.failures = [abort(S.UNAVAILABLE)]
    with pytest.raises(e.Unreachable):
        run(lambda client: getattr(client, f"delete_{what}")("x"))
    assert len(servicer.requests) == 2


def test_feeds_come_back_as_they_were_put(servicer: Servicer, run: Run) -> None:
    feed = ringfence.Feed("hep-1", timedelta(seconds=90), "the first", 3)
    servicer.answer = lambda request: request.feed
    assert run(lambda client: client.put_feed(feed, validate_only=True)) == feed
    assert servicer.requests[0].validate_only
    assert run(lambda client: client.put_feed(ringfence.Feed("b"))) == ringfence.Feed("b")
    assert not servicer.requests[1].feed.HasField("silence_max")
    kept = servicer.requests[0].feed
    servicer.answer = lambda _: v1.ListFeedsResponse(
        feeds=[
            v1.FeedStatus(
                feed=kept,
                watermark=Timestamp(seconds=SECONDS),
                lag=Duration(seconds=5),
                events_last_minute=6,
                events_last_day=7,
                gaps=[v1.Gap(began_at=Timestamp(seconds=SECONDS))],
            ),
            v1.FeedStatus(feed=v1.Feed(name="silent")),
        ],
        unregistered=["stray"],
    )
    assert run(lambda client: client.list_feeds()) == [
        ringfence.FeedStatus(
            feed, MOMENT, timedelta(seconds=5), 6, 7, (ringfence.Gap(MOMENT, None),)
        ),
        ringfence.FeedStatus(ringfence.Feed("silent"), None, None, 0, 0, ()),
    ]
    assert run(lambda client: client.list_unregistered_feeds()) == ("stray",)


def test_accepted_clock_is_the_time_from_then_on(servicer: Servicer, run: Run) -> None:
    servicer.answer = lambda _: v1.AcceptClockResponse(time=Timestamp(seconds=SECONDS))
    accepted = run(lambda client: client.accept_clock(MOMENT, note="why"))
    assert accepted == ringfence.AcceptedClock(MOMENT, disputed=False)
    assert servicer.requests == [
        v1.AcceptClockRequest(wall_clock=Timestamp(seconds=SECONDS), note="why")
    ]
