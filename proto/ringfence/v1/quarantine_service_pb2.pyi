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

class QuarantineNumbersRequest(_message.Message):
    __slots__ = ("numbers", "pool", "quarantined_at", "reason", "observed_since")
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_SINCE_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    pool: str
    quarantined_at: _containers.RepeatedScalarFieldContainer[int]
    reason: _containers.RepeatedScalarFieldContainer[_types_pb2.DisconnectReason]
    observed_since: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, numbers: _Optional[_Iterable[int]] = ..., pool: _Optional[str] = ..., quarantined_at: _Optional[_Iterable[int]] = ..., reason: _Optional[_Iterable[_Union[_types_pb2.DisconnectReason, str]]] = ..., observed_since: _Optional[_Iterable[int]] = ...) -> None: ...

class QuarantineNumbersResponse(_message.Message):
    __slots__ = ("accepted", "already_quarantined", "rejected", "rejections")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    ALREADY_QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    already_quarantined: int
    rejected: int
    rejections: _containers.RepeatedCompositeFieldContainer[NumberRejection]
    def __init__(self, accepted: _Optional[int] = ..., already_quarantined: _Optional[int] = ..., rejected: _Optional[int] = ..., rejections: _Optional[_Iterable[_Union[NumberRejection, _Mapping]]] = ...) -> None: ...

class NumberRejection(_message.Message):
    __slots__ = ("number", "reason")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    number: int
    reason: str
    def __init__(self, number: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class HoldNumbersRequest(_message.Message):
    __slots__ = ("numbers", "note")
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    note: str
    def __init__(self, numbers: _Optional[_Iterable[int]] = ..., note: _Optional[str] = ...) -> None: ...

class UnholdNumbersRequest(_message.Message):
    __slots__ = ("numbers", "note")
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    note: str
    def __init__(self, numbers: _Optional[_Iterable[int]] = ..., note: _Optional[str] = ...) -> None: ...

class RestoreNumbersRequest(_message.Message):
    __slots__ = ("numbers", "note")
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    note: str
    def __init__(self, numbers: _Optional[_Iterable[int]] = ..., note: _Optional[str] = ...) -> None: ...

class RetireNumbersRequest(_message.Message):
    __slots__ = ("numbers", "note")
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    note: str
    def __init__(self, numbers: _Optional[_Iterable[int]] = ..., note: _Optional[str] = ...) -> None: ...

class OverrideNumbersRequest(_message.Message):
    __slots__ = ("numbers", "note")
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    note: str
    def __init__(self, numbers: _Optional[_Iterable[int]] = ..., note: _Optional[str] = ...) -> None: ...

class MoveNumbersRequest(_message.Message):
    __slots__ = ("numbers", "note", "pool")
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    note: str
    pool: str
    def __init__(self, numbers: _Optional[_Iterable[int]] = ..., note: _Optional[str] = ..., pool: _Optional[str] = ...) -> None: ...

class HoldNumbersResponse(_message.Message):
    __slots__ = ("changed", "refused")
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    changed: _containers.RepeatedScalarFieldContainer[int]
    refused: _containers.RepeatedCompositeFieldContainer[_types_pb2.Refusal]
    def __init__(self, changed: _Optional[_Iterable[int]] = ..., refused: _Optional[_Iterable[_Union[_types_pb2.Refusal, _Mapping]]] = ...) -> None: ...

class UnholdNumbersResponse(_message.Message):
    __slots__ = ("changed", "refused")
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    changed: _containers.RepeatedScalarFieldContainer[int]
    refused: _containers.RepeatedCompositeFieldContainer[_types_pb2.Refusal]
    def __init__(self, changed: _Optional[_Iterable[int]] = ..., refused: _Optional[_Iterable[_Union[_types_pb2.Refusal, _Mapping]]] = ...) -> None: ...

class RestoreNumbersResponse(_message.Message):
    __slots__ = ("changed", "refused")
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    changed: _containers.RepeatedScalarFieldContainer[int]
    refused: _containers.RepeatedCompositeFieldContainer[_types_pb2.Refusal]
    def __init__(self, changed: _Optional[_Iterable[int]] = ..., refused: _Optional[_Iterable[_Union[_types_pb2.Refusal, _Mapping]]] = ...) -> None: ...

class RetireNumbersResponse(_message.Message):
    __slots__ = ("changed", "refused")
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    changed: _containers.RepeatedScalarFieldContainer[int]
    refused: _containers.RepeatedCompositeFieldContainer[_types_pb2.Refusal]
    def __init__(self, changed: _Optional[_Iterable[int]] = ..., refused: _Optional[_Iterable[_Union[_types_pb2.Refusal, _Mapping]]] = ...) -> None: ...

class OverrideNumbersResponse(_message.Message):
    __slots__ = ("changed", "refused")
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    changed: _containers.RepeatedScalarFieldContainer[int]
    refused: _containers.RepeatedCompositeFieldContainer[_types_pb2.Refusal]
    def __init__(self, changed: _Optional[_Iterable[int]] = ..., refused: _Optional[_Iterable[_Union[_types_pb2.Refusal, _Mapping]]] = ...) -> None: ...

class MoveNumbersResponse(_message.Message):
    __slots__ = ("changed", "refused")
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    changed: _containers.RepeatedScalarFieldContainer[int]
    refused: _containers.RepeatedCompositeFieldContainer[_types_pb2.Refusal]
    def __init__(self, changed: _Optional[_Iterable[int]] = ..., refused: _Optional[_Iterable[_Union[_types_pb2.Refusal, _Mapping]]] = ...) -> None: ...

class ReportComplaintRequest(_message.Message):
    __slots__ = ("number", "note", "received_at")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    number: int
    note: str
    received_at: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., note: _Optional[str] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReportComplaintResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Rule(_message.Message):
    __slots__ = ("measure", "kinds", "window", "limit")
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    measure: _types_pb2.Measure
    kinds: _containers.RepeatedScalarFieldContainer[_types_pb2.EventKind]
    window: _duration_pb2.Duration
    limit: int
    def __init__(self, measure: _Optional[_Union[_types_pb2.Measure, str]] = ..., kinds: _Optional[_Iterable[_Union[_types_pb2.EventKind, str]]] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., limit: _Optional[int] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("name", "rules", "minimum_age", "maximum_age", "quiet_period", "minimum_coverage", "description", "revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_AGE_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_AGE_FIELD_NUMBER: _ClassVar[int]
    QUIET_PERIOD_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_COVERAGE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    rules: _containers.RepeatedCompositeFieldContainer[Rule]
    minimum_age: _duration_pb2.Duration
    maximum_age: _duration_pb2.Duration
    quiet_period: _duration_pb2.Duration
    minimum_coverage: float
    description: str
    revision: int
    def __init__(self, name: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[Rule, _Mapping]]] = ..., minimum_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., maximum_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., quiet_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., minimum_coverage: _Optional[float] = ..., description: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class Pool(_message.Message):
    __slots__ = ("name", "policy", "required_feeds", "description", "revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FEEDS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    policy: str
    required_feeds: _containers.RepeatedScalarFieldContainer[str]
    description: str
    revision: int
    def __init__(self, name: _Optional[str] = ..., policy: _Optional[str] = ..., required_feeds: _Optional[_Iterable[str]] = ..., description: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class Feed(_message.Message):
    __slots__ = ("name", "silence_max", "description", "revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SILENCE_MAX_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    silence_max: _duration_pb2.Duration
    description: str
    revision: int
    def __init__(self, name: _Optional[str] = ..., silence_max: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., description: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class PutPoolRequest(_message.Message):
    __slots__ = ("pool", "validate_only")
    POOL_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    pool: Pool
    validate_only: bool
    def __init__(self, pool: _Optional[_Union[Pool, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class PutPolicyRequest(_message.Message):
    __slots__ = ("policy", "validate_only")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    validate_only: bool
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class PutFeedRequest(_message.Message):
    __slots__ = ("feed", "validate_only")
    FEED_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    feed: Feed
    validate_only: bool
    def __init__(self, feed: _Optional[_Union[Feed, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class DeletePoolRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeletePolicyRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteFeedRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeletePoolResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeletePolicyResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeleteFeedResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPoolsRequest(_message.Message):
    __slots__ = ("forecast_days", "page_size", "page_token")
    FORECAST_DAYS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    forecast_days: int
    page_size: int
    page_token: str
    def __init__(self, forecast_days: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPoolsResponse(_message.Message):
    __slots__ = ("pools", "next_page_token")
    POOLS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pools: _containers.RepeatedCompositeFieldContainer[PoolStatus]
    next_page_token: str
    def __init__(self, pools: _Optional[_Iterable[_Union[PoolStatus, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PoolStatus(_message.Message):
    __slots__ = ("pool", "verdict_counts", "overdue", "forecast", "counted_at", "complaints", "assigned_total")
    POOL_FIELD_NUMBER: _ClassVar[int]
    VERDICT_COUNTS_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_FIELD_NUMBER: _ClassVar[int]
    FORECAST_FIELD_NUMBER: _ClassVar[int]
    COUNTED_AT_FIELD_NUMBER: _ClassVar[int]
    COMPLAINTS_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    pool: Pool
    verdict_counts: _containers.RepeatedCompositeFieldContainer[VerdictCount]
    overdue: int
    forecast: _containers.RepeatedScalarFieldContainer[int]
    counted_at: _timestamp_pb2.Timestamp
    complaints: int
    assigned_total: int
    def __init__(self, pool: _Optional[_Union[Pool, _Mapping]] = ..., verdict_counts: _Optional[_Iterable[_Union[VerdictCount, _Mapping]]] = ..., overdue: _Optional[int] = ..., forecast: _Optional[_Iterable[int]] = ..., counted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., complaints: _Optional[int] = ..., assigned_total: _Optional[int] = ...) -> None: ...

class VerdictCount(_message.Message):
    __slots__ = ("verdict", "count")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    verdict: _types_pb2.Verdict
    count: int
    def __init__(self, verdict: _Optional[_Union[_types_pb2.Verdict, str]] = ..., count: _Optional[int] = ...) -> None: ...

class ListPoliciesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListFeedsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPoliciesResponse(_message.Message):
    __slots__ = ("policies", "next_page_token")
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    policies: _containers.RepeatedCompositeFieldContainer[Policy]
    next_page_token: str
    def __init__(self, policies: _Optional[_Iterable[_Union[Policy, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListFeedsResponse(_message.Message):
    __slots__ = ("feeds", "next_page_token", "unregistered")
    FEEDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNREGISTERED_FIELD_NUMBER: _ClassVar[int]
    feeds: _containers.RepeatedCompositeFieldContainer[FeedStatus]
    next_page_token: str
    unregistered: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, feeds: _Optional[_Iterable[_Union[FeedStatus, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., unregistered: _Optional[_Iterable[str]] = ...) -> None: ...

class FeedStatus(_message.Message):
    __slots__ = ("feed", "watermark", "lag", "events_last_minute", "events_last_day", "gaps")
    FEED_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    EVENTS_LAST_MINUTE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_LAST_DAY_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    feed: Feed
    watermark: _timestamp_pb2.Timestamp
    lag: _duration_pb2.Duration
    events_last_minute: int
    events_last_day: int
    gaps: _containers.RepeatedCompositeFieldContainer[Gap]
    def __init__(self, feed: _Optional[_Union[Feed, _Mapping]] = ..., watermark: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., events_last_minute: _Optional[int] = ..., events_last_day: _Optional[int] = ..., gaps: _Optional[_Iterable[_Union[Gap, _Mapping]]] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("began_at", "ended_at")
    BEGAN_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    began_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    def __init__(self, began_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "workers", "capacity_numbers", "numbers", "ring_entries", "events_total", "spray_callers", "spray_events", "spray_numbers", "spray_window", "snapshot_at", "journal_writable", "time", "time_dispute", "wall_clock", "wall_clock_synchronised", "numbers_ready", "room_held_up")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    RING_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    SPRAY_CALLERS_FIELD_NUMBER: _ClassVar[int]
    SPRAY_EVENTS_FIELD_NUMBER: _ClassVar[int]
    SPRAY_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    SPRAY_WINDOW_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_AT_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_WRITABLE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_DISPUTE_FIELD_NUMBER: _ClassVar[int]
    WALL_CLOCK_FIELD_NUMBER: _ClassVar[int]
    WALL_CLOCK_SYNCHRONISED_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_READY_FIELD_NUMBER: _ClassVar[int]
    ROOM_HELD_UP_FIELD_NUMBER: _ClassVar[int]
    version: str
    workers: int
    capacity_numbers: int
    numbers: int
    ring_entries: int
    events_total: int
    spray_callers: int
    spray_events: int
    spray_numbers: int
    spray_window: _duration_pb2.Duration
    snapshot_at: _timestamp_pb2.Timestamp
    journal_writable: bool
    time: _timestamp_pb2.Timestamp
    time_dispute: str
    wall_clock: _timestamp_pb2.Timestamp
    wall_clock_synchronised: bool
    numbers_ready: int
    room_held_up: str
    def __init__(self, version: _Optional[str] = ..., workers: _Optional[int] = ..., capacity_numbers: _Optional[int] = ..., numbers: _Optional[int] = ..., ring_entries: _Optional[int] = ..., events_total: _Optional[int] = ..., spray_callers: _Optional[int] = ..., spray_events: _Optional[int] = ..., spray_numbers: _Optional[int] = ..., spray_window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., snapshot_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., journal_writable: _Optional[bool] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., time_dispute: _Optional[str] = ..., wall_clock: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., wall_clock_synchronised: _Optional[bool] = ..., numbers_ready: _Optional[int] = ..., room_held_up: _Optional[str] = ...) -> None: ...

class AcceptClockRequest(_message.Message):
    __slots__ = ("wall_clock", "note")
    WALL_CLOCK_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    wall_clock: _timestamp_pb2.Timestamp
    note: str
    def __init__(self, wall_clock: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., note: _Optional[str] = ...) -> None: ...

class AcceptClockResponse(_message.Message):
    __slots__ = ("time", "disputed")
    TIME_FIELD_NUMBER: _ClassVar[int]
    DISPUTED_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    disputed: bool
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., disputed: _Optional[bool] = ...) -> None: ...
