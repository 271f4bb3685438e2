"""Every error of the client, by the reason that the server gives.

    RingfenceError
    ├── BadField               a field of the request is out of its bounds; see `violations`
    ├── NotFound
    │   ├── NoSuchPool
    │   ├── NoSuchPolicy
    │   ├── NoSuchFeed
    │   └── NoSuchReservation
    ├── AlreadyExists          a request_id was used before with other arguments
    ├── NotClean               a number of the reservation is no longer clean
    ├── WrongState             a number is in a state that does not allow the command
    ├── InUse                  something else needs what was to be deleted
    ├── TooFewClean            the pool has fewer clean numbers; see `clean`, `next_clean_at`
    ├── TableFull              the table has no room for the numbers
    ├── Quota                  the caller has used up what it may use
    ├── MessageTooLarge        a message has more than 4 MiB
    ├── RevisionConflict       somebody else changed the setting meanwhile
    ├── SlowWatcher            a watcher was cut because it did not keep up
    ├── Unavailable            the server cannot do it now; the outcome is open
    │   ├── Draining           it is shutting down
    │   ├── JournalDown        it cannot write its journal
    │   └── KeeperDown         its keeper is being replaced
    ├── Unreachable            no connection, or it was lost; the outcome is open
    ├── DeadlineExceeded       no answer in time; the outcome is open
    ├── Unimplemented          the server does not know the method (yet)
    └── Internal               anything else

Errors of gRPC are translated here, once, and chained as the cause.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    PreconditionFailure,
    QuotaFailure,
    RetryInfo,
)
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

DOMAIN = "ringfence"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong: the field or subject, and its value and bound."""

    field: str
    description: str


class RingfenceError(Exception):
    """The server refused a request or could not answer it."""

    reason: ClassVar[str] = ""
    """The reason in the contract's ErrorInfo; empty for errors that gRPC itself reports."""

    def __init__(
        self,
        text: str,
        *,
        violations: tuple[Violation, ...] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.violations = violations
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s


class BadField(RingfenceError):
    """A field of the request is out of its bounds."""

    reason = "BAD_FIELD"


class NotFound(RingfenceError):
    """What the request names does not exist."""


class NoSuchPool(NotFound):
    """There is no pool of that name."""

    reason = "NO_SUCH_POOL"


class NoSuchPolicy(NotFound):
    """There is no policy of that name."""

    reason = "NO_SUCH_POLICY"


class NoSuchFeed(NotFound):
    """There is no feed of that name."""

    reason = "NO_SUCH_FEED"


class NoSuchReservation(NotFound):
    """There is no reservation of that id."""

    reason = "NO_SUCH_RESERVATION"


class AlreadyExists(RingfenceError):
    """The request_id was used before with other arguments."""


class NotClean(RingfenceError):
    """A number of the reservation is no longer clean; nothing changed."""

    reason = "NOT_CLEAN"


class WrongState(RingfenceError):
    """A number or reservation is in a state that does not allow the command."""

    reason = "WRONG_STATE"


class InUse(RingfenceError):
    """Something else needs what was to be deleted."""

    reason = "IN_USE"


class TooFewClean(RingfenceError):
    """The pool has fewer clean numbers than asked for."""

    reason = "TOO_FEW_CLEAN"

    @property
    def clean(self) -> int | None:
        """How many numbers are clean; None when the server does not say."""
        return _whole(self.metadata.get("clean", ""))

    @property
    def next_clean_at(self) -> datetime | None:
        """When the next number becomes clean if it stays silent; None when none does."""
        seconds = _whole(self.metadata.get("next_clean_at", ""))
        return datetime.fromtimestamp(seconds, UTC) if seconds else None


class TableFull(RingfenceError):
    """The table has no room for the numbers; nothing changed."""

    reason = "TABLE_FULL"


class Quota(RingfenceError):
    """The caller has used up what it may use."""

    reason = "QUOTA"


class MessageTooLarge(RingfenceError):
    """A message has more than 4 MiB."""


class RevisionConflict(RingfenceError):
    """The setting has another revision than the one that was to be replaced."""

    reason = "REVISION"


class SlowWatcher(RingfenceError):
    """The watcher was cut because it did not keep up."""

    reason = "SLOW_WATCHER"


class Unavailable(RingfenceError):
    """The server cannot do it now; whether it was done is open."""


class Draining(Unavailable):
    """The server is shutting down."""

    reason = "DRAINING"


class JournalDown(Unavailable):
    """The server cannot write its journal."""

    reason = "JOURNAL"


class KeeperDown(Unavailable):
    """The server's keeper is being replaced."""

    reason = "KEEPER"


class Unreachable(RingfenceError):
    """There is no connection to the server, or it was lost; whether it was done is open."""


class DeadlineExceeded(RingfenceError):
    """No answer came in time; whether it was done is open."""


class Unimplemented(RingfenceError):
    """The server does not know the method."""


class Internal(RingfenceError):
    """Something else went wrong."""


_BY_REASON: Mapping[str, type[RingfenceError]] = {
    error.reason: error
    for error in (
        *(BadField, NoSuchPool, NoSuchPolicy, NoSuchFeed, NoSuchReservation),
        *(NotClean, WrongState, InUse, TooFewClean, TableFull, Quota),
        *(RevisionConflict, SlowWatcher, Draining, JournalDown, KeeperDown),
    )
}

# What an error without a reason is: one of gRPC itself or of something between us and the server.
_BY_CODE: Mapping[grpc.StatusCode, type[RingfenceError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: BadField,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.RESOURCE_EXHAUSTED: MessageTooLarge,
    grpc.StatusCode.UNAVAILABLE: Unreachable,
    # By the other end: a busy gRPC server cancels calls that wait. Who cancels one of his own
    # hears of it otherwise.
    grpc.StatusCode.CANCELLED: Unreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
}

# A write on a stream that has just ended makes grpc.aio replace the true status by INTERNAL with
# this text (grpc/grpc issue 36066), most often when the connection was lost.
_STATUS_LOST = "Internal error from Core"


def translated(failure: grpc.RpcError) -> RingfenceError:
    """The error of this tree that a failed call of gRPC means."""
    call = cast(grpc.Call, failure)
    try:
        info, violations, retry_after_s = _unpack(rpc_status.from_call(call) or Status())
    except (ValueError, DecodeError):  # a proxy changed the status; its code still counts
        info, violations, retry_after_s = _unpack(Status())
    kind = _BY_REASON.get(info.reason) if info.domain == DOMAIN else None
    text = call.details() or ""
    if kind is None:
        kind = _BY_CODE.get(call.code(), Internal)
    if text == _STATUS_LOST:
        kind = Unreachable
    if kind is Internal:
        text = f"{call.code().name}: {text}"
    return kind(
        text, violations=violations, metadata=dict(info.metadata), retry_after_s=retry_after_s
    )


def _unpack(status: Status) -> tuple[ErrorInfo, tuple[Violation, ...], float | None]:
    info, violations, retry_after_s = ErrorInfo(), list[Violation](), None
    bad, unmet, quota, retry = BadRequest(), PreconditionFailure(), QuotaFailure(), RetryInfo()
    for detail in status.details:
        if detail.Unpack(info):
            continue
        if detail.Unpack(bad):
            violations += [Violation(v.field, v.description) for v in bad.field_violations]
        elif detail.Unpack(unmet):
            violations += [Violation(v.subject, v.description or v.type) for v in unmet.violations]
        elif detail.Unpack(quota):
            violations += [Violation(v.subject, v.description) for v in quota.violations]
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
    return info, tuple(violations), retry_after_s


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
