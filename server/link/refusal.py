"""Refusals: the one place that makes the errors of the contract.

Each carries a google.rpc.Status with an ErrorInfo of domain `ringfence`, whose reason tells the
client's exceptions apart, and what belongs to that reason: violations, a time to try again.
"""

from collections.abc import Sequence
from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    PreconditionFailure,
    QuotaFailure,
    RetryInfo,
)
from google.rpc.status_pb2 import Status

from ringfence.v1 import types_pb2

DOMAIN = "ringfence"
DETAILS_KEY = "grpc-status-details-bin"
TEXT_CHARS_MAX = 300  # of each text, so that no status has more than 4 KiB: see the tests
JOURNAL_DOWN = "the journal cannot be written at the moment"
VIOLATIONS_MAX = 10
UNAVAILABLE_RETRY_S = 1
EXHAUSTED_RETRY_S = 60  # until somebody has made room


class Refusal(Exception):
    """A call is answered with an error of the contract."""

    def __init__(
        self, code: grpc.StatusCode, reason: str | ErrorInfo, text: str, *details: Message
    ) -> None:
        super().__init__(text)
        self.code = code
        self._info = (
            reason if isinstance(reason, ErrorInfo) else ErrorInfo(domain=DOMAIN, reason=reason)
        )
        self.reason = self._info.reason
        self.text = text[:TEXT_CHARS_MAX]
        self.details = details

    def status(self) -> Status:
        """The status as it travels."""
        number: int = self.code.value[0]
        status = Status(code=number, message=self.text)
        for detail in (self._info, *self.details):
            packed = Any()
            packed.Pack(detail)
            status.details.append(packed)
        return status

    async def abort(self, context: "grpc.aio.ServicerContext[bytes, bytes]") -> NoReturn:
        """Ends a call with it."""
        trailing = ((DETAILS_KEY, self.status().SerializeToString()),)
        await context.abort(self.code, self.text, trailing)


def bad_field(field: str, text: str) -> Refusal:
    """A field of the request is out of its bounds; `text` gives value and bound."""
    violation = BadRequest.FieldViolation(
        field=field[:TEXT_CHARS_MAX], description=text[:TEXT_CHARS_MAX]
    )
    return Refusal(
        grpc.StatusCode.INVALID_ARGUMENT,
        "BAD_FIELD",
        f"{field}: {text}" if field else text,
        BadRequest(field_violations=[violation]),
    )


def no_such(what: str, name: str) -> Refusal:
    """A pool, policy, feed or reservation that is named does not exist."""
    reason = f"NO_SUCH_{what.upper()}"
    return Refusal(grpc.StatusCode.NOT_FOUND, reason, f"no such {what}: {name!r}")


def wrong_revision(what: str, name: str, *, given: int, present: int | None) -> Refusal:
    """A setting was changed by somebody else since its revision was read."""
    return Refusal(
        grpc.StatusCode.ABORTED,
        "REVISION",
        f"{what} {name!r} was changed meanwhile: revision={given},"
        f" present={'none' if present is None else present}",
    )


def already_exists(what: str, text: str) -> Refusal:
    """Something else was asked for by the same name before."""
    return Refusal(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS", f"{what}: {text}")


def in_use(what: str, name: str, text: str) -> Refusal:
    """Something that is to be deleted is needed."""
    return _precondition("IN_USE", f"{what} {name!r} is in use: {text}", [(what, name, text)])


def wrong_state(subject: str, text: str) -> Refusal:
    """A reservation is in a state that does not allow the command."""
    return _precondition("WRONG_STATE", f"{subject}: {text}", [("state", subject, text)])


def not_clean(refused: Sequence[types_pb2.Refusal]) -> Refusal:
    """Numbers that would have to be clean are not; tells the first of them."""
    return _precondition(
        "NOT_CLEAN",
        f"not clean: numbers={len(refused)}",
        [
            (types_pb2.Verdict.Name(each.verdict).removeprefix("VERDICT_"), f"+{each.number}", "")
            for each in refused[:VIOLATIONS_MAX]
        ],
    )


def too_few_clean(pool: str, *, wanted: int, clean: int, next_clean_at: int) -> Refusal:
    """A pool has fewer clean numbers than asked for; says when the next one will be."""
    text = f"too few clean numbers: wanted={wanted}, clean={clean}"
    info = ErrorInfo(
        domain=DOMAIN,
        reason="TOO_FEW_CLEAN",
        metadata={"clean": str(clean), "next_clean_at": str(next_clean_at or "")},
    )
    violation = QuotaFailure.Violation(subject=f"pool {pool}", description=text)
    return Refusal(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        info,
        text,
        QuotaFailure(violations=[violation]),
        _retry(EXHAUSTED_RETRY_S),
    )


def slow_watcher() -> Refusal:
    """A watcher does not take what it is told fast enough."""
    return Refusal(
        grpc.StatusCode.ABORTED, "SLOW_WATCHER", "the watcher is too slow; list the numbers again"
    )


def over_quota(subject: str, text: str) -> Refusal:
    """There may be no more of something."""
    return _exhausted("QUOTA", subject, f"{subject}: {text}")


def table_full(text: str) -> Refusal:
    """The table has no room for the numbers of a message."""
    return _exhausted("TABLE_FULL", "capacity_numbers", text)


def draining() -> Refusal:
    """The server is stopping."""
    return _unavailable("DRAINING", "the server is stopping")


def keeper_away(text: str = "the keeper is being replaced") -> Refusal:
    """Something needs the keeper, which is not there at the moment."""
    return _unavailable("KEEPER", text)


def journal_down(text: str = JOURNAL_DOWN) -> Refusal:
    """Nothing can be made durable at the moment."""
    return _unavailable("JOURNAL", text)


def _unavailable(reason: str, text: str) -> Refusal:
    return Refusal(grpc.StatusCode.UNAVAILABLE, reason, text, _retry(UNAVAILABLE_RETRY_S))


def _precondition(reason: str, text: str, violations: Sequence[tuple[str, str, str]]) -> Refusal:
    failure = PreconditionFailure(
        violations=[
            PreconditionFailure.Violation(
                type=kind, subject=subject[:TEXT_CHARS_MAX], description=said[:TEXT_CHARS_MAX]
            )
            for kind, subject, said in violations
        ]
    )
    return Refusal(grpc.StatusCode.FAILED_PRECONDITION, reason, text, failure)


def _exhausted(reason: str, subject: str, text: str) -> Refusal:
    violation = QuotaFailure.Violation(subject=subject, description=text[:TEXT_CHARS_MAX])
    return Refusal(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason,
        text,
        QuotaFailure(violations=[violation]),
        _retry(EXHAUSTED_RETRY_S),
    )


def _retry(delay_s: int) -> RetryInfo:
    return RetryInfo(retry_delay=Duration(seconds=delay_s))
