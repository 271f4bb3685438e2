from ringfence.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StreamEventsRequest(_message.Message):
    __slots__ = ("feed", "sequence", "watermark", "called", "caller", "occurred_at", "kind", "complete_from")
    FEED_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    CALLED_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FROM_FIELD_NUMBER: _ClassVar[int]
    feed: str
    sequence: int
    watermark: int
    called: _containers.RepeatedScalarFieldContainer[int]
    caller: _containers.RepeatedScalarFieldContainer[int]
    occurred_at: _containers.RepeatedScalarFieldContainer[int]
    kind: _containers.RepeatedScalarFieldContainer[_types_pb2.EventKind]
    complete_from: int
    def __init__(self, feed: _Optional[str] = ..., sequence: _Optional[int] = ..., watermark: _Optional[int] = ..., called: _Optional[_Iterable[int]] = ..., caller: _Optional[_Iterable[int]] = ..., occurred_at: _Optional[_Iterable[int]] = ..., kind: _Optional[_Iterable[_Union[_types_pb2.EventKind, str]]] = ..., complete_from: _Optional[int] = ...) -> None: ...

class StreamEventsResponse(_message.Message):
    __slots__ = ("sequence", "accepted", "untracked", "rejected", "rejections", "watermark")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    UNTRACKED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    accepted: int
    untracked: int
    rejected: int
    rejections: _containers.RepeatedCompositeFieldContainer[EventRejection]
    watermark: int
    def __init__(self, sequence: _Optional[int] = ..., accepted: _Optional[int] = ..., untracked: _Optional[int] = ..., rejected: _Optional[int] = ..., rejections: _Optional[_Iterable[_Union[EventRejection, _Mapping]]] = ..., watermark: _Optional[int] = ...) -> None: ...

class RecordEventsRequest(_message.Message):
    __slots__ = ("feed", "sequence", "watermark", "called", "caller", "occurred_at", "kind", "complete_from")
    FEED_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    CALLED_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FROM_FIELD_NUMBER: _ClassVar[int]
    feed: str
    sequence: int
    watermark: int
    called: _containers.RepeatedScalarFieldContainer[int]
    caller: _containers.RepeatedScalarFieldContainer[int]
    occurred_at: _containers.RepeatedScalarFieldContainer[int]
    kind: _containers.RepeatedScalarFieldContainer[_types_pb2.EventKind]
    complete_from: int
    def __init__(self, feed: _Optional[str] = ..., sequence: _Optional[int] = ..., watermark: _Optional[int] = ..., called: _Optional[_Iterable[int]] = ..., caller: _Optional[_Iterable[int]] = ..., occurred_at: _Optional[_Iterable[int]] = ..., kind: _Optional[_Iterable[_Union[_types_pb2.EventKind, str]]] = ..., complete_from: _Optional[int] = ...) -> None: ...

class RecordEventsResponse(_message.Message):
    __slots__ = ("sequence", "accepted", "untracked", "rejected", "rejections", "watermark")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    UNTRACKED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    accepted: int
    untracked: int
    rejected: int
    rejections: _containers.RepeatedCompositeFieldContainer[EventRejection]
    watermark: int
    def __init__(self, sequence: _Optional[int] = ..., accepted: _Optional[int] = ..., untracked: _Optional[int] = ..., rejected: _Optional[int] = ..., rejections: _Optional[_Iterable[_Union[EventRejection, _Mapping]]] = ..., watermark: _Optional[int] = ...) -> None: ...

class EventRejection(_message.Message):
    __slots__ = ("index", "reason")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    index: int
    reason: str
    def __init__(self, index: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...
