from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FollowJournalRequest(_message.Message):
    __slots__ = ("after", "digest")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    after: int
    digest: bytes
    def __init__(self, after: _Optional[int] = ..., digest: _Optional[bytes] = ...) -> None: ...

class FollowJournalResponse(_message.Message):
    __slots__ = ("position", "value")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    position: int
    value: bytes
    def __init__(self, position: _Optional[int] = ..., value: _Optional[bytes] = ...) -> None: ...

class ConfirmHistoryRequest(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: int
    def __init__(self, position: _Optional[int] = ...) -> None: ...

class ConfirmHistoryResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetReadinessRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetReadinessResponse(_message.Message):
    __slots__ = ("held_up", "dispute")
    HELD_UP_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_FIELD_NUMBER: _ClassVar[int]
    held_up: str
    dispute: str
    def __init__(self, held_up: _Optional[str] = ..., dispute: _Optional[str] = ...) -> None: ...

class LookUpNumberRequest(_message.Message):
    __slots__ = ("number",)
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    number: int
    def __init__(self, number: _Optional[int] = ...) -> None: ...

class LookUpNumberResponse(_message.Message):
    __slots__ = ("reservation", "queue_position")
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    reservation: str
    queue_position: int
    def __init__(self, reservation: _Optional[str] = ..., queue_position: _Optional[int] = ...) -> None: ...

class WatchChangesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchChangesResponse(_message.Message):
    __slots__ = ("position", "changed_at", "keys", "previous", "current", "pools")
    class PoolsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    position: int
    changed_at: int
    keys: bytes
    previous: bytes
    current: bytes
    pools: _containers.ScalarMap[int, str]
    def __init__(self, position: _Optional[int] = ..., changed_at: _Optional[int] = ..., keys: _Optional[bytes] = ..., previous: _Optional[bytes] = ..., current: _Optional[bytes] = ..., pools: _Optional[_Mapping[int, str]] = ...) -> None: ...

class ReadImageRequest(_message.Message):
    __slots__ = ("claims_upto",)
    class ClaimsUptoEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    CLAIMS_UPTO_FIELD_NUMBER: _ClassVar[int]
    claims_upto: _containers.ScalarMap[str, int]
    def __init__(self, claims_upto: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ReadImageResponse(_message.Message):
    __slots__ = ("position", "part", "hand_outs")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    HAND_OUTS_FIELD_NUMBER: _ClassVar[int]
    position: int
    part: bytes
    hand_outs: bytes
    def __init__(self, position: _Optional[int] = ..., part: _Optional[bytes] = ..., hand_outs: _Optional[bytes] = ...) -> None: ...

class ReportClaimsRequest(_message.Message):
    __slots__ = ("journal", "after", "upto", "claims", "events", "unregistered")
    class EventsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    JOURNAL_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    UPTO_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    UNREGISTERED_FIELD_NUMBER: _ClassVar[int]
    journal: str
    after: int
    upto: int
    claims: _containers.RepeatedCompositeFieldContainer[ReportedClaims]
    events: _containers.ScalarMap[str, int]
    unregistered: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, journal: _Optional[str] = ..., after: _Optional[int] = ..., upto: _Optional[int] = ..., claims: _Optional[_Iterable[_Union[ReportedClaims, _Mapping]]] = ..., events: _Optional[_Mapping[str, int]] = ..., unregistered: _Optional[_Iterable[str]] = ...) -> None: ...

class ReportedClaims(_message.Message):
    __slots__ = ("bounds", "watermark", "feed", "registration")
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    FEED_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    bounds: _containers.RepeatedScalarFieldContainer[int]
    watermark: int
    feed: int
    registration: int
    def __init__(self, bounds: _Optional[_Iterable[int]] = ..., watermark: _Optional[int] = ..., feed: _Optional[int] = ..., registration: _Optional[int] = ...) -> None: ...

class ReportClaimsResponse(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: int
    def __init__(self, position: _Optional[int] = ...) -> None: ...
