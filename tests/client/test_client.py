"""Client and AsyncClient against a small real server: what they send and what they return."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from support.told_server import Run, Servicer, abort, address, info, run, servicer

import ringfence
from ringfence import AsyncClient, Client, DisconnectReason, Event, EventKind, Measure, Verdict
from ringfence.v1 import event_service_pb2 as event_v1
from ringfence.v1 import number_service_pb2 as number_v1
from ringfence.v1 import quarantine_service_pb2 as quarantine_v1
from ringfence.v1 import types_pb2 as types_v1

__all__ = ["address", "run", "servicer"]  # fixtures

CALLED = 447700900000
CALLER = 441632960000
SECONDS = 1_750_000_000
MOMENT = datetime.fromtimestamp(SECONDS, UTC)


def stamp(seconds: int = SECONDS) -> Timestamp:
    return Timestamp(seconds=seconds)


@pytest.mark.parametrize(
    ("ours", "contract"),
    [
        (Verdict, types_v1.Verdict),
        (EventKind, types_v1.EventKind),
        (Measure, types_v1.Measure),
        (DisconnectReason, types_v1.DisconnectReason),
    ],
)
def test_client_and_contract_have_the_same_words(
    ours: type[IntEnum], contract: EnumTypeWrapper
) -> None:
    prefix = contract.Name(0).removesuffix("UNSPECIFIED")
    words = {f"{prefix}{word.name}": word.value for word in ours} | {f"{prefix}UNSPECIFIED": 0}
    assert words == dict(contract.items())


def test_every_exported_name_is_there() -> None:
    for name in ringfence.__all__:
        if name != "__version__":
            assert getattr(ringfence, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = ringfence.Nothing


def test_get_number_returns_all_that_is_known(servicer: Servicer, run: Run) -> None:
    servicer.answer = lambda _: number_v1.Number(
        number=CALLED,
        verdict=types_v1.VERDICT_NOISY,
        pool="nl-mobile",
        policy="default",
        reason=types_v1.DISCONNECT_REASON_FRAUD,
        quarantined_at=stamp(),
        clean_at=stamp(SECONDS + 60),
        expected_at=stamp(SECONDS + 90),
        events_total=7,
        rule_results=[
            number_v1.RuleResult(
                measure=types_v1.MEASURE_EVENTS,
                kinds=[types_v1.EVENT_KIND_CALL, types_v1.EVENT_KIND_SMS],
                window=Duration(seconds=86_400),
                limit=3,
                value=4,
                broken=True,
            )
        ],
        coverage=0.5,
        overdue=True,
        queue_position=9,
        recent=[
            number_v1.RecentEvent(
                occurred_at=stamp(), kind=types_v1.EVENT_KIND_SMS, caller_tag=2, spray=True
            )
        ],
    )
    number = run(lambda client: client.get_number(CALLED, MOMENT))
    assert servicer.requests == [number_v1.GetNumberRequest(number=CALLED, at=SECONDS)]
    assert number == ringfence.Number(
        number=CALLED,
        verdict=Verdict.NOISY,
        pool="nl-mobile",
        policy="default",
        reason=DisconnectReason.FRAUD,
        quarantined_at=MOMENT,
        observed_since=None,
        clean_at=MOMENT + timedelta(seconds=60),
        expected_at=MOMENT + timedelta(seconds=90),
        last_event_at=None,
        events_total=7,
        overdue=True,
        overridden=False,
        reservation="",
        rule_results=(
            ringfence.RuleResult(
                measure=Measure.EVENTS,
                kinds=(EventKind.CALL, EventKind.SMS),
                window=timedelta(days=1),
                limit=3,
                value=4,
                broken=True,
                saturated=False,
            ),
        ),
        coverage=0.5,
        queue_position=9,
        recent=(ringfence.RecentEvent(MOMENT, EventKind.SMS, 2, True),),
    )


def checks(request: number_v1.CheckNumbersRequest) -> Message:
    return number_v1.CheckNumbersResponse(
        verdicts=[types_v1.Verdict.Name(1 + n % 2) for n in request.numbers],
        clean_at=[SECONDS if n % 2 else 0 for n in request.numbers],
        expected_at=[SECONDS + 5 if n % 2 else 0 for n in request.numbers],
    )


def test_check_numbers_answers_in_the_order_asked(servicer: Servicer, run: Run) -> None:
    servicer.answer = checks
    later = MOMENT + timedelta(seconds=5)
    odd = ringfence.CheckedNumber(CALLED + 1, Verdict.AGING, MOMENT, later)
    even = ringfence.CheckedNumber(CALLED, Verdict.CLEAN, None, None)
    assert run(lambda client: client.check_numbers([CALLED + 1, CALLED])) == [odd, even]
    assert run(lambda client: client.check_numbers([])) == []
    assert len(servicer.requests) == 1


def test_check_by_a_server_that_expects_nothing_is_still_read(servicer: Servicer, run: Run) -> None:
    servicer.answer = lambda _: number_v1.CheckNumbersResponse(
        verdicts=[types_v1.VERDICT_AGING], clean_at=[SECONDS]
    )
    told = ringfence.CheckedNumber(CALLED, Verdict.AGING, MOMENT, None)
    assert run(lambda client: client.check_numbers([CALLED])) == [told]


@pytest.mark.slow
def test_more_than_100000_numbers_are_checked_in_several_calls(
    servicer: Servicer, run: Run
) -> None:
    servicer.answer = checks
    numbers = CALLED + np.arange(200_001, dtype=np.uint64) % 1_000
    checked = run(lambda client: client.check_numbers(numbers, SECONDS))
    assert [c.number for c in checked] == numbers.tolist()
    assert [len(r.numbers) for r in servicer.requests] == [100_000, 100_000, 1]
    assert {r.at for r in servicer.requests} == {SECONDS}


def test_list_numbers_asks_for_page_after_page(servicer: Servicer, run: Run) -> None:
    def page(request: number_v1.ListNumbersRequest) -> Message:
        index = int(request.page_token or 0)
        return number_v1.ListNumbersResponse(
            numbers=[number_v1.Number(number=CALLED + index, verdict=types_v1.VERDICT_CLEAN)],
            next_page_token=str(index + 1) if index < 2 else "",
        )

    servicer.answer = page
    numbers = run(
        lambda client: client.list_numbers(
            pool="p", verdicts=[Verdict.CLEAN], overdue_only=True, prefix="4477", page_size=1
        )
    )
    assert [n.number for n in numbers] == [CALLED, CALLED + 1, CALLED + 2]
    assert servicer.requests[0] == number_v1.ListNumbersRequest(
        pool="p",
        verdicts=[types_v1.VERDICT_CLEAN],
        overdue_only=True,
        prefix="4477",
        page_size=1,
    )
    assert [r.page_token for r in servicer.requests] == ["", "1", "2"]


def test_record_events_sends_a_batch_with_its_claim(servicer: Servicer, run: Run) -> None:
    servicer.answer = lambda request: event_v1.RecordEventsResponse(
        sequence=request.sequence,
        accepted=1,
        rejected=1,
        rejections=[event_v1.EventRejection(index=1, reason="called: value=1, bound=7 digits")],
        watermark=SECONDS,
    )
    events = [Event(CALLED, CALLER, MOMENT, EventKind.CALL), Event(1, 0, SECONDS, EventKind.SMS)]
    answer = run(
        lambda client: client.record_events(
            "hep-1", events, complete_from=SECONDS - 9, watermark=MOMENT, sequence=4
        )
    )
    assert servicer.requests == [
        event_v1.RecordEventsRequest(
            feed="hep-1",
            sequence=4,
            watermark=SECONDS,
            complete_from=SECONDS - 9,
            called=[CALLED, 1],
            caller=[CALLER, 0],
            occurred_at=[SECONDS, SECONDS],
            kind=[types_v1.EVENT_KIND_CALL, types_v1.EVENT_KIND_SMS],
        )
    ]
    assert (answer.accepted, answer.rejected, answer.watermark) == (1, 1, MOMENT)
    assert [rejection.index for rejection in answer.rejections] == [1]
    assert str(CALLER) not in repr(events)


def quarantined(requests: Sequence[quarantine_v1.QuarantineNumbersRequest]) -> Message:
    return quarantine_v1.QuarantineNumbersResponse(
        accepted=sum(len(request.numbers) for request in requests),
        rejections=[quarantine_v1.NumberRejection(number=1, reason="numbers: bound")],
    )


def test_quarantine_numbers_sends_any_count_in_one_stream(servicer: Servicer, run: Run) -> None:
    servicer.answer = quarantined
    numbers = CALLED + np.arange(70_000, dtype=np.uint64)
    began = (SECONDS + np.arange(70_000)).astype(np.uint32)
    sent: list[int] = []
    result = run(
        lambda client: client.quarantine_numbers(
            numbers,
            pool="nl-mobile",
            quarantined_at=began,
            reason=DisconnectReason.INACTIVITY,
            progress=sent.append,
        )
    )
    assert result.accepted == 70_000
    assert result.rejections == (ringfence.NumberRejection(1, "numbers: bound"),)
    assert sent == [65_536, 70_000]
    (requests,) = servicer.requests
    assert [len(r.numbers) for r in requests] == [65_536, 4_464]
    assert [n for r in requests for n in r.numbers] == numbers.tolist()
    assert [t for r in requests for t in r.quarantined_at] == began.tolist()
    assert [list(r.reason) for r in requests] == [[types_v1.DISCONNECT_REASON_INACTIVITY]] * 2
    assert [list(r.observed_since) for r in requests] == [[], []]
    assert {r.pool for r in requests} == {"nl-mobile"}


def test_quarantine_numbers_takes_one_value_a_number(servicer: Servicer, run: Run) -> None:
    servicer.answer = quarantined
    run(
        lambda client: client.quarantine_numbers(
            iter([CALLED, CALLED + 1]),
            reason=[DisconnectReason.FRAUD, DisconnectReason.DECEASED],
            observed_since=[MOMENT, SECONDS + 1],
        )
    )
    ((request,),) = servicer.requests
    assert request.pool == "default"
    assert list(request.reason) == [DisconnectReason.FRAUD, DisconnectReason.DECEASED]
    assert list(request.observed_since) == [SECONDS, SECONDS + 1]


@pytest.mark.parametrize("times", [[SECONDS], [SECONDS] * 3])
def test_quarantine_numbers_refuses_another_count_of_values(
    times: list[int], servicer: Servicer, run: Run
) -> None:
    servicer.answer = quarantined
    with pytest.raises(ValueError, match="quarantined_at"):
        run(lambda c: c.quarantine_numbers([CALLED, CALLED + 1], quarantined_at=times))


def test_an_error_of_the_numbers_themselves_comes_through(servicer: Servicer, run: Run) -> None:
    def broken() -> Iterator[int]:
        yield CALLED
        raise OSError("the file ended")

    servicer.answer = quarantined
    with pytest.raises(OSError, match="the file ended"):
        run(lambda client: client.quarantine_numbers(broken()))


def test_quarantine_numbers_raises_what_the_server_says(servicer: Servicer, run: Run) -> None:
    servicer.failures = [abort(grpc.StatusCode.NOT_FOUND, info("NO_SUCH_POOL"))]
    with pytest.raises(ringfence.NoSuchPool):
        run(lambda client: client.quarantine_numbers([CALLED], pool="nowhere"))
    assert len(servicer.requests) == 1


def test_policies_come_back_as_they_were_put(servicer: Servicer, run: Run) -> None:
    policy = ringfence.Policy(
        name="strict",
        rules=(
            ringfence.Rule(Measure.REPEAT_CALLERS, timedelta(days=90), 0),
            ringfence.Rule(Measure.EVENTS, timedelta(days=30), 10, (EventKind.A2P_SMS,)),
        ),
        minimum_age=timedelta(days=90),
        maximum_age=timedelta(days=365),
        quiet_period=timedelta(hours=1),
        minimum_coverage=0.95,
        description="no banks",
        revision=3,
    )
    servicer.answer = lambda request: request.policy
    assert run(lambda client: client.put_policy(policy, validate_only=True)) == policy
    assert servicer.requests[0].validate_only
    plain = ringfence.Policy("plain", (policy.rules[0],))
    assert run(lambda client: client.put_policy(plain)) == plain
    kept = [request.policy for request in servicer.requests]
    servicer.answer = lambda _: quarantine_v1.ListPoliciesResponse(policies=kept)
    assert run(lambda client: client.list_policies()) == [policy, plain]


def test_pools_come_back_as_they_were_put(servicer: Servicer, run: Run) -> None:
    pool = ringfence.Pool("nl-mobile", "strict", ("hep-1", "smsc-1"), "all of them", 2)
    servicer.answer = lambda request: request.pool
    assert run(lambda client: client.put_pool(pool)) == pool
    kept = servicer.requests[0].pool
    servicer.answer = lambda _: quarantine_v1.ListPoolsResponse(
        pools=[
            quarantine_v1.PoolStatus(
                pool=kept,
                verdict_counts=[
                    quarantine_v1.VerdictCount(verdict=types_v1.VERDICT_CLEAN, count=5)
                ],
                overdue=1,
                forecast=[2, 3],
                counted_at=stamp(),
                complaints=4,
                assigned_total=6,
            )
        ]
    )
    assert run(lambda client: client.list_pools(forecast_days=2)) == [
        ringfence.PoolStatus(pool, {Verdict.CLEAN: 5}, 1, (2, 3), MOMENT, 4, 6)
    ]
    assert servicer.requests[1].forecast_days == 2


def test_get_status_says_who_asks(servicer: Servicer, run: Run) -> None:
    servicer.answer = lambda _: quarantine_v1.GetStatusResponse(
        version="1.2", workers=3, ring_entries=12, spray_window=Duration(seconds=60)
    )
    status = run(lambda client: client.get_status(), actor="ops/ann")
    assert (status.version, status.workers, status.ring_entries) == ("1.2", 3, 12)
    assert status.spray_window == timedelta(minutes=1)
    assert status.snapshot_at is None
    assert servicer.metadata["ringfence-actor"] == "ops/ann"


def test_an_actor_that_no_header_can_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="actor"):
        Client(actor="ann\n")


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("timeout_s", [0.0, -1.0, math.nan, math.inf, 86_401.0])
def test_a_deadline_that_grpc_takes_for_over_is_refused(
    client: type[Client | AsyncClient], timeout_s: float
) -> None:
    with pytest.raises(ValueError, match=r"timeout_s=.*, bound=more than 0, at most 86400"):
        client(timeout_s=timeout_s)


def test_a_time_without_a_zone_is_refused(run: Run) -> None:
    local = MOMENT.replace(tzinfo=None)
    with pytest.raises(ValueError, match="without a time zone"):
        run(lambda client: client.get_number(CALLED, local))
