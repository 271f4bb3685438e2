import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ringfence.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CheckNumbersRequest(_message.Message):
    __slots__ = ("numbers", "at")
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    at: int
    def __init__(self, numbers: _Optional[_Iterable[int]] = ..., at: _Optional[int] = ...) -> None: ...

class CheckNumbersResponse(_message.Message):
    __slots__ = ("verdicts", "clean_at", "expected_at")
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    CLEAN_AT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_AT_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedScalarFieldContainer[_types_pb2.Verdict]
    clean_at: _containers.RepeatedScalarFieldContainer[int]
    expected_at: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, verdicts: _Optional[_Iterable[_Union[_types_pb2.Verdict, str]]] = ..., clean_at: _Optional[_Iterable[int]] = ..., expected_at: _Optional[_Iterable[int]] = ...) -> None: ...

class GetNumberRequest(_message.Message):
    __slots__ = ("number", "at")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    number: int
    at: int
    def __init__(self, number: _Optional[int] = ..., at: _Optional[int] = ...) -> None: ...

class Number(_message.Message):
    __slots__ = ("number", "verdict", "pool", "policy", "reason", "quarantined_at", "clean_at", "last_event_at", "events_total", "rule_results", "coverage", "overdue", "queue_position", "reservation", "recent", "overridden", "observed_since", "expected_at")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_AT_FIELD_NUMBER: _ClassVar[int]
    CLEAN_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_AT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RULE_RESULTS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    RECENT_FIELD_NUMBER: _ClassVar[int]
    OVERRIDDEN_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_SINCE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_AT_FIELD_NUMBER: _ClassVar[int]
    number: int
    verdict: _types_pb2.Verdict
    pool: str
    policy: str
    reason: _types_pb2.DisconnectReason
    quarantined_at: _timestamp_pb2.Timestamp
    clean_at: _timestamp_pb2.Timestamp
    last_event_at: _timestamp_pb2.Timestamp
    events_total: int
    rule_results: _containers.RepeatedCompositeFieldContainer[RuleResult]
    coverage: float
    overdue: bool
    queue_position: int
    reservation: str
    recent: _containers.RepeatedCompositeFieldContainer[RecentEvent]
    overridden: bool
    observed_since: _timestamp_pb2.Timestamp
    expected_at: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., verdict: _Optional[_Union[_types_pb2.Verdict, str]] = ..., pool: _Optional[str] = ..., policy: _Optional[str] = ..., reason: _Optional[_Union[_types_pb2.DisconnectReason, str]] = ..., quarantined_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., clean_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_event_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., events_total: _Optional[int] = ..., rule_results: _Optional[_Iterable[_Union[RuleResult, _Mapping]]] = ..., coverage: _Optional[float] = ..., overdue: _Optional[bool] = ..., queue_position: _Optional[int] = ..., reservation: _Optional[str] = ..., recent: _Optional[_Iterable[_Union[RecentEvent, _Mapping]]] = ..., overridden: _Optional[bool] = ..., observed_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RuleResult(_message.Message):
    __slots__ = ("measure", "kinds", "window", "limit", "value", "broken", "saturated")
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BROKEN_FIELD_NUMBER: _ClassVar[int]
    SATURATED_FIELD_NUMBER: _ClassVar[int]
    measure: _types_pb2.Measure
    kinds: _containers.RepeatedScalarFieldContainer[_types_pb2.EventKind]
    window: _duration_pb2.Duration
    limit: int
    value: int
    broken: bool
    saturated: bool
    def __init__(self, measure: _Optional[_Union[_types_pb2.Measure, str]] = ..., kinds: _Optional[_Iterable[_Union[_types_pb2.EventKind, str]]] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., limit: _Optional[int] = ..., value: _Optional[int] = ..., broken: _Optional[bool] = ..., saturated: _Optional[bool] = ...) -> None: ...

class RecentEvent(_message.Message):
    __slots__ = ("occurred_at", "kind", "caller_tag", "spray")
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CALLER_TAG_FIELD_NUMBER: _ClassVar[int]
    SPRAY_FIELD_NUMBER: _ClassVar[int]
    occurred_at: _timestamp_pb2.Timestamp
    kind: _types_pb2.EventKind
    caller_tag: int
    spray: bool
    def __init__(self, occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[_Union[_types_pb2.EventKind, str]] = ..., caller_tag: _Optional[int] = ..., spray: _Optional[bool] = ...) -> None: ...

class ListNumbersRequest(_message.Message):
    __slots__ = ("pool", "verdicts", "overdue_only", "prefix", "page_size", "page_token")
    POOL_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pool: str
    verdicts: _containers.RepeatedScalarFieldContainer[_types_pb2.Verdict]
    overdue_only: bool
    prefix: str
    page_size: int
    page_token: str
    def __init__(self, pool: _Optional[str] = ..., verdicts: _Optional[_Iterable[_Union[_types_pb2.Verdict, str]]] = ..., overdue_only: _Optional[bool] = ..., prefix: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListNumbersResponse(_message.Message):
    __slots__ = ("numbers", "next_page_token")
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedCompositeFieldContainer[Number]
    next_page_token: str
    def __init__(self, numbers: _Optional[_Iterable[_Union[Number, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReserveNumbersRequest(_message.Message):
    __slots__ = ("pool", "count", "lease", "request_id", "allow_partial", "prefix", "numbers")
    POOL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    pool: str
    count: int
    lease: _duration_pb2.Duration
    request_id: str
    allow_partial: bool
    prefix: str
    numbers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, pool: _Optional[str] = ..., count: _Optional[int] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., request_id: _Optional[str] = ..., allow_partial: _Optional[bool] = ..., prefix: _Optional[str] = ..., numbers: _Optional[_Iterable[int]] = ...) -> None: ...

class ConfirmReservationRequest(_message.Message):
    __slots__ = ("id", "allow_partial")
    ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    id: str
    allow_partial: bool
    def __init__(self, id: _Optional[str] = ..., allow_partial: _Optional[bool] = ...) -> None: ...

class ExtendReservationRequest(_message.Message):
    __slots__ = ("id", "lease")
    ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    id: str
    lease: _duration_pb2.Duration
    def __init__(self, id: _Optional[str] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CancelReservationRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetReservationRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class Reservation(_message.Message):
    __slots__ = ("id", "pool", "state", "numbers", "expires_at", "refused", "count", "created_at", "actor")
    ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    id: str
    pool: str
    state: _types_pb2.ReservationState
    numbers: _containers.RepeatedScalarFieldContainer[int]
    expires_at: _timestamp_pb2.Timestamp
    refused: _containers.RepeatedCompositeFieldContainer[_types_pb2.Refusal]
    count: int
    created_at: _timestamp_pb2.Timestamp
    actor: str
    def __init__(self, id: _Optional[str] = ..., pool: _Optional[str] = ..., state: _Optional[_Union[_types_pb2.ReservationState, str]] = ..., numbers: _Optional[_Iterable[int]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refused: _Optional[_Iterable[_Union[_types_pb2.Refusal, _Mapping]]] = ..., count: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[str] = ...) -> None: ...

class ListReservationsRequest(_message.Message):
    __slots__ = ("pool", "states", "page_size", "page_token")
    POOL_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pool: str
    states: _containers.RepeatedScalarFieldContainer[_types_pb2.ReservationState]
    page_size: int
    page_token: str
    def __init__(self, pool: _Optional[str] = ..., states: _Optional[_Iterable[_Union[_types_pb2.ReservationState, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListReservationsResponse(_message.Message):
    __slots__ = ("reservations", "next_page_token")
    RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    reservations: _containers.RepeatedCompositeFieldContainer[Reservation]
    next_page_token: str
    def __init__(self, reservations: _Optional[_Iterable[_Union[Reservation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListHistoryRequest(_message.Message):
    __slots__ = ("number", "pool", "since", "until", "page_size", "page_token")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    number: int
    pool: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, number: _Optional[int] = ..., pool: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListHistoryResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[HistoryEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[HistoryEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class HistoryEntry(_message.Message):
    __slots__ = ("changed_at", "number", "pool", "previous", "current", "command", "actor", "note", "reservation")
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    changed_at: _timestamp_pb2.Timestamp
    number: int
    pool: str
    previous: _types_pb2.Verdict
    current: _types_pb2.Verdict
    command: str
    actor: str
    note: str
    reservation: str
    def __init__(self, changed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., number: _Optional[int] = ..., pool: _Optional[str] = ..., previous: _Optional[_Union[_types_pb2.Verdict, str]] = ..., current: _Optional[_Union[_types_pb2.Verdict, str]] = ..., command: _Optional[str] = ..., actor: _Optional[str] = ..., note: _Optional[str] = ..., reservation: _Optional[str] = ...) -> None: ...

class WatchNumbersRequest(_message.Message):
    __slots__ = ("pool", "verdicts")
    POOL_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    pool: str
    verdicts: _containers.RepeatedScalarFieldContainer[_types_pb2.Verdict]
    def __init__(self, pool: _Optional[str] = ..., verdicts: _Optional[_Iterable[_Union[_types_pb2.Verdict, str]]] = ...) -> None: ...

class WatchNumbersResponse(_message.Message):
    __slots__ = ("changes",)
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[NumberChange]
    def __init__(self, changes: _Optional[_Iterable[_Union[NumberChange, _Mapping]]] = ...) -> None: ...

class NumberChange(_message.Message):
    __slots__ = ("number", "pool", "previous", "current", "changed_at")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    number: int
    pool: str
    previous: _types_pb2.Verdict
    current: _types_pb2.Verdict
    changed_at: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., pool: _Optional[str] = ..., previous: _Optional[_Union[_types_pb2.Verdict, str]] = ..., current: _Optional[_Union[_types_pb2.Verdict, str]] = ..., changed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
