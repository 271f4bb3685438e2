from ringfence.v1 import quarantine_service_pb2 as _quarantine_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class KeeperValue(_message.Message):
    __slots__ = ("decided_at", "command", "actor", "note", "command_id", "headers", "policies", "pools", "response")
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    decided_at: int
    command: str
    actor: str
    note: str
    command_id: str
    headers: bytes
    policies: _containers.RepeatedCompositeFieldContainer[PlacedPolicy]
    pools: _containers.RepeatedCompositeFieldContainer[PlacedPool]
    response: bytes
    def __init__(self, decided_at: _Optional[int] = ..., command: _Optional[str] = ..., actor: _Optional[str] = ..., note: _Optional[str] = ..., command_id: _Optional[str] = ..., headers: _Optional[bytes] = ..., policies: _Optional[_Iterable[_Union[PlacedPolicy, _Mapping]]] = ..., pools: _Optional[_Iterable[_Union[PlacedPool, _Mapping]]] = ..., response: _Optional[bytes] = ...) -> None: ...

class PlacedPolicy(_message.Message):
    __slots__ = ("index", "policy")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    index: int
    policy: _quarantine_service_pb2.Policy
    def __init__(self, index: _Optional[int] = ..., policy: _Optional[_Union[_quarantine_service_pb2.Policy, _Mapping]] = ...) -> None: ...

class PlacedPool(_message.Message):
    __slots__ = ("index", "pool")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    index: int
    pool: _quarantine_service_pb2.Pool
    def __init__(self, index: _Optional[int] = ..., pool: _Optional[_Union[_quarantine_service_pb2.Pool, _Mapping]] = ...) -> None: ...
