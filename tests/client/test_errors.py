"""Client and AsyncClient against a small real server: what they raise and what they repeat."""

import time
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, PreconditionFailure, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus
from grpc_status import rpc_status
from support.told_server import Run, Servicer, abort, address, info, run, servicer

import ringfence
from ringfence import Client, Verdict
from ringfence import errors as e

__all__ = ["address", "run", "servicer"]  # fixtures

CALLED = 447700900000
SECONDS = 1_750_000_000
MOMENT = datetime.fromtimestamp(SECONDS, UTC)
S = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (S.INVALID_ARGUMENT, "BAD_FIELD", e.BadField),
        (S.NOT_FOUND, "NO_SUCH_POOL", e.NoSuchPool),
        (S.NOT_FOUND, "NO_SUCH_POLICY", e.NoSuchPolicy),
        (S.NOT_FOUND, "NO_SUCH_FEED", e.NoSuchFeed),
        (S.NOT_FOUND, "NO_SUCH_RESERVATION", e.NoSuchReservation),
        (S.FAILED_PRECONDITION, "NOT_CLEAN", e.NotClean),
        (S.FAILED_PRECONDITION, "WRONG_STATE", e.WrongState),
        (S.FAILED_PRECONDITION, "IN_USE", e.InUse),
        (S.RESOURCE_EXHAUSTED, "TOO_FEW_CLEAN", e.TooFewClean),
        (S.RESOURCE_EXHAUSTED, "TABLE_FULL", e.TableFull),
        (S.RESOURCE_EXHAUSTED, "QUOTA", e.Quota),
        (S.ABORTED, "REVISION", e.RevisionConflict),
        (S.ABORTED, "SLOW_WATCHER", e.SlowWatcher),
        (S.UNAVAILABLE, "DRAINING", e.Draining),
        (S.UNAVAILABLE, "JOURNAL", e.JournalDown),
        (S.UNAVAILABLE, "KEEPER", e.KeeperDown),
        (S.INVALID_ARGUMENT, None, e.BadField),
        (S.NOT_FOUND, None, e.NotFound),
        (S.ALREADY_EXISTS, None, e.AlreadyExists),
        (S.RESOURCE_EXHAUSTED, None, e.MessageTooLarge),
        (S.UNAVAILABLE, None, e.Unreachable),
        (S.CANCELLED, None, e.Unreachable),
        (S.DEADLINE_EXCEEDED, None, e.DeadlineExceeded),
        (S.UNIMPLEMENTED, None, e.Unimplemented),
        (S.PERMISSION_DENIED, None, e.Internal),
        (S.ABORTED, "SOMETHING_NEW", e.Internal),
    ],
)
def test_each_reason_is_an_error_of_its_own(
    code: grpc.StatusCode,
    reason: str | None,
    error: type[e.RingfenceError],
    servicer: Servicer,
    run: Run,
) -> None:
    details = [] if reason is None else [info(reason)]
    servicer.failures = [abort(code, *details, text="too bad: value=2, bound=1")] * 5
    pool = ringfence.Pool("p", "q")
    with pytest.raises(e.RingfenceError, match="too bad: value=2, bound=1") as raised:
        run(lambda client: client.put_pool(pool))
    assert type(raised.value) is error
    assert isinstance(raised.value.__cause__, grpc.RpcError)
    assert len(servicer.requests) == 1  # a put is not repeated by itself


def test_every_reason_of_the_tree_is_tried_above() -> None:
    def below(error: type[e.RingfenceError]) -> set[type[e.RingfenceError]]:
        return {error}.union(*(below(child) for child in error.__subclasses__()))

    (mark,) = [
        m
        for m in test_each_reason_is_an_error_of_its_own.pytestmark  # type: ignore[attr-defined]
        if m.name == "parametrize"
    ]
    tried = {error for _, _, error in mark.args[1]}
    assert below(e.RingfenceError) - tried == {e.RingfenceError, e.Unavailable}


@pytest.mark.parametrize(
    "detail",
    [
        BadRequest(field_violations=[{"field": "a", "description": "value=1, bound=0"}]),
        PreconditionFailure(violations=[{"subject": "a", "description": "value=1, bound=0"}]),
        QuotaFailure(violations=[{"subject": "a", "description": "value=1, bound=0"}]),
    ],
)
def test_errors_carry_their_violations(detail: Message, servicer: Servicer, run: Run) -> None:
    servicer.failures = [abort(S.INVALID_ARGUMENT, info("BAD_FIELD"), detail)]
    with pytest.raises(e.BadField) as raised:
        run(lambda client: client.get_number(1))
    assert raised.value.violations == (e.Violation("a", "value=1, bound=0"),)


def test_too_few_clean_says_how_many_and_when(servicer: Servicer, run: Run) -> None:
    detail = info("TOO_FEW_CLEAN", clean="7", next_clean_at=str(SECONDS))
    servicer.failures = [abort(S.RESOURCE_EXHAUSTED, detail)]
    with pytest.raises(e.TooFewClean) as raised:
        run(lambda client: client.get_number(CALLED))
    assert (raised.value.clean, raised.value.next_clean_at) == (7, MOMENT)
    assert (e.TooFewClean("?").clean, e.TooFewClean("?").next_clean_at) == (None, None)


def test_details_that_cannot_be_read_leave_the_status(servicer: Servicer, run: Run) -> None:
    broken = RpcStatus(code=S.NOT_FOUND.value[0], message="refused")
    broken.details.append(
        AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")
    )
    servicer.failures = [
        lambda context: context.abort_with_status(rpc_status.to_status(broken)),
    ]
    with pytest.raises(e.NotFound, match="refused"):
        run(lambda client: client.get_number(CALLED))


def test_a_question_is_repeated_until_the_server_can_answer(servicer: Servicer, run: Run) -> None:
    busy = [abort(S.UNAVAILABLE, info("KEEPER")), abort(S.UNAVAILABLE), abort(S.CANCELLED)]
    servicer.failures = busy
    assert run(lambda client: client.get_number(CALLED)).verdict == Verdict.UNTRACKED
    assert len(servicer.requests) == 4


@pytest.mark.slow
def test_a_question_is_not_repeated_for_ever(servicer: Servicer, run: Run) -> None:
    servicer.failures = [abort(S.UNAVAILABLE, info("JOURNAL"))] * 9
    with pytest.raises(e.JournalDown):
        run(lambda client: client.get_number(CALLED))
    assert len(servicer.requests) == 5


def test_a_pause_that_outlasts_the_deadline_is_not_made(servicer: Servicer, run: Run) -> None:
    retry = RetryInfo(retry_delay=Duration(seconds=60))
    servicer.failures = [abort(S.UNAVAILABLE, info("KEEPER"), retry)]
    with pytest.raises(e.KeeperDown) as raised:
        run(lambda client: client.get_number(CALLED))
    assert raised.value.retry_after_s == 60
    assert len(servicer.requests) == 1


def test_no_answer_in_time_is_an_error(servicer: Servicer, run: Run) -> None:
    servicer.failures = [lambda context: time.sleep(0.3)]
    with pytest.raises(e.DeadlineExceeded):
        run(lambda client: client.get_number(CALLED), timeout_s=0.1)


def test_a_server_that_is_not_there_is_unreachable(run: Run) -> None:
    with pytest.raises(e.Unreachable):
        run(lambda client: client.get_status(), server="127.0.0.1:1", timeout_s=2)


def test_tls_needs_certificate_and_key_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="go together"):
        ringfence.Tls(certificate="client.pem")
    with pytest.raises(FileNotFoundError):
        Client(tls=ringfence.Tls(ca=tmp_path / "missing.pem"))
