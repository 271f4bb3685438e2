"""Every operation of the client, described once: method, request, and how to read the answer.

A client, blocking or not, only carries out what it finds here.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ringfence import messages, model
from ringfence.backoff import backoff_s
from ringfence.errors import Unavailable, Unreachable, translated
from ringfence.messages import Column, NextValues, Numbers, enums, integers, take, unix_seconds
from ringfence.v1 import event_service_pb2 as event_v1
from ringfence.v1 import number_service_pb2 as number_v1
from ringfence.v1 import quarantine_service_pb2 as quarantine_v1
from ringfence.words import Verdict

CHECK_NUMBERS_MAX = 100_000
QUARANTINE_NUMBERS_MAX = 65_536
ATTEMPTS_MAX = 5
PAUSE_S_MAX = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Method:
    """An rpc of the contract. `repeatable`: to do it twice does no harm."""

    path: str
    response: type[Any]  # a Message
    repeatable: bool


def _method(file: FileDescriptor, service: str, name: str, *, repeatable: bool = False) -> Method:
    descriptor = file.services_by_name[service].methods_by_name[name]
    path = f"/{descriptor.containing_service.full_name}/{name}"
    return Method(path, GetMessageClass(descriptor.output_type), repeatable)


_EVENT, _NUMBER, _QUARANTINE = event_v1.DESCRIPTOR, number_v1.DESCRIPTOR, quarantine_v1.DESCRIPTOR

STREAM_EVENTS = _method(_EVENT, "EventService", "StreamEvents")
RECORD_EVENTS = _method(_EVENT, "EventService", "RecordEvents", repeatable=True)
CHECK_NUMBERS = _method(_NUMBER, "NumberService", "CheckNumbers", repeatable=True)
GET_NUMBER = _method(_NUMBER, "NumberService", "GetNumber", repeatable=True)
LIST_NUMBERS = _method(_NUMBER, "NumberService", "ListNumbers", repeatable=True)
QUARANTINE_NUMBERS = _method(_QUARANTINE, "QuarantineService", "QuarantineNumbers")
PUT_POOL = _method(_QUARANTINE, "QuarantineService", "PutPool")
LIST_POOLS = _method(_QUARANTINE, "QuarantineService", "ListPools", repeatable=True)
PUT_POLICY = _method(_QUARANTINE, "QuarantineService", "PutPolicy")
LIST_POLICIES = _method(_QUARANTINE, "QuarantineService", "ListPolicies", repeatable=True)
GET_STATUS = _method(_QUARANTINE, "QuarantineService", "GetStatus", repeatable=True)


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """One question: what to send, and what the answer means."""

    method: Method
    request: Message
    read: Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A question whose answer comes in pages."""

    method: Method
    request: Any  # has page_token; see page()
    items: Callable[[Any], Sequence[T]]

    def page(self, token: str) -> Ask[tuple[Sequence[T], str]]:
        """The question for the page of that token: its items, and the next token (empty = end)."""
        request = type(self.request)()
        request.CopyFrom(self.request)
        request.page_token = token
        return Ask(
            self.method, request, lambda answer: (self.items(answer), answer.next_page_token)
        )


class Attempts:
    """The attempts at one question: how long each may take, and whether there is another."""

    def __init__(self, method: Method, timeout_s: float) -> None:
        self._method = method
        self._ends = time.monotonic() + timeout_s
        self._failures = 0

    def left_s(self) -> float:
        """Seconds until the deadline of the whole question."""
        return max(self._ends - time.monotonic(), 0.0)

    def pause_s(self, failure: grpc.RpcError) -> float:
        """How long to wait before the next attempt; raises the error when there is none."""
        error = translated(failure)
        self._failures += 1
        again = self._method.repeatable and isinstance(error, Unavailable | Unreachable)
        pause_s = max(backoff_s(self._failures, PAUSE_S_MAX), error.retry_after_s or 0.0)
        if not again or self._failures == ATTEMPTS_MAX or pause_s >= self.left_s():
            raise error from failure
        return pause_s


def record_events(
    feed: str,
    events: Iterable[model.Event],
    *,
    complete_from: model.Moment | None,
    watermark: model.Moment | None,
    sequence: int,
) -> Ask[model.EventsAnswer]:
    """One batch; the claim is [complete_from, watermark)."""
    batch = list(events)
    request = event_v1.RecordEventsRequest(
        feed=feed,
        sequence=sequence,
        watermark=unix_seconds(watermark),
        complete_from=unix_seconds(complete_from),
        called=[event.called for event in batch],
        caller=[event.caller for event in batch],
        occurred_at=[unix_seconds(event.occurred_at) for event in batch],
        kind=enums(event.kind for event in batch),
    )
    return Ask(RECORD_EVENTS, request, messages.events_answer)


def check_numbers(
    numbers: Numbers, at: model.Moment | None
) -> Iterator[Ask[list[model.CheckedNumber]]]:
    """One question for every 100,000 numbers."""
    source = integers(numbers)
    while part := take(source, CHECK_NUMBERS_MAX):
        request = number_v1.CheckNumbersRequest(numbers=part, at=unix_seconds(at))
        yield Ask(CHECK_NUMBERS, request, partial(messages.checked, part))


def get_number(number: int, at: model.Moment | None) -> Ask[model.Number]:
    """Everything known of one number."""
    request = number_v1.GetNumberRequest(number=number, at=unix_seconds(at))
    return Ask(GET_NUMBER, request, messages.number)


def list_numbers(
    *, pool: str, verdicts: Iterable[Verdict], overdue_only: bool, prefix: str, page_size: int
) -> Listing[model.Number]:
    """Numbers by pool, verdict and prefix."""
    request = number_v1.ListNumbersRequest(
        pool=pool,
        verdicts=enums(verdicts),
        overdue_only=overdue_only,
        prefix=prefix,
        page_size=page_size,
    )
    return Listing(LIST_NUMBERS, request, lambda page: [messages.number(n) for n in page.numbers])


def quarantine_numbers(
    numbers: Numbers,
    *,
    pool: str,
    quarantined_at: Column[model.Moment],
    reason: Column[int],
    observed_since: Column[model.Moment],
    progress: Callable[[int], None] | None,
) -> Iterator[Message]:
    """The requests of the stream, of 65,536 numbers at most."""
    source, sent = integers(numbers), 0
    began = NextValues("quarantined_at", quarantined_at, unix_seconds)
    reasons = NextValues("reason", reason, int)
    observed = NextValues("observed_since", observed_since, unix_seconds)
    while part := take(source, QUARANTINE_NUMBERS_MAX):
        yield quarantine_v1.QuarantineNumbersRequest(
            numbers=part,
            pool=pool,
            quarantined_at=began.take(len(part)),
            reason=reasons.take(len(part)),
            observed_since=observed.take(len(part)),
        )
        sent += len(part)
        if progress is not None:
            progress(sent)
    for values in (began, reasons, observed):
        values.end()


def put_pool(pool: model.Pool, *, validate_only: bool) -> Ask[model.Pool]:
    """A pool to create or replace."""
    request = quarantine_v1.PutPoolRequest(
        pool=messages.pool_message(pool), validate_only=validate_only
    )
    return Ask(PUT_POOL, request, messages.pool)


def list_pools(*, forecast_days: int) -> Listing[model.PoolStatus]:
    """Pools with their counts."""
    request = quarantine_v1.ListPoolsRequest(forecast_days=forecast_days)
    return Listing(LIST_POOLS, request, lambda page: [messages.pool_status(p) for p in page.pools])


def put_policy(policy: model.Policy, *, validate_only: bool) -> Ask[model.Policy]:
    """A policy to create or replace."""
    request = quarantine_v1.PutPolicyRequest(
        policy=messages.policy_message(policy), validate_only=validate_only
    )
    return Ask(PUT_POLICY, request, messages.policy)


def list_policies() -> Listing[model.Policy]:
    """Policies."""
    request = quarantine_v1.ListPoliciesRequest()
    return Listing(LIST_POLICIES, request, lambda page: [messages.policy(p) for p in page.policies])


def get_status() -> Ask[model.Status]:
    """How the installation is doing."""
    return Ask(GET_STATUS, quarantine_v1.GetStatusRequest(), messages.status)
