from ringfence.v1 import quarantine_service_pb2 as _quarantine_service_pb2
from ringfence.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class KeeperValue(_message.Message):
    __slots__ = ("decided_at", "command", "actor", "note", "command_id", "headers", "policies", "pools", "response", "previous", "current", "reservations", "row_reservations", "keys", "complaints", "feeds", "claims", "journals")
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    ROW_RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    COMPLAINTS_FIELD_NUMBER: _ClassVar[int]
    FEEDS_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    JOURNALS_FIELD_NUMBER: _ClassVar[int]
    decided_at: int
    command: str
    actor: str
    note: str
    command_id: str
    headers: bytes
    policies: _containers.RepeatedCompositeFieldContainer[PlacedPolicy]
    pools: _containers.RepeatedCompositeFieldContainer[PlacedPool]
    response: bytes
    previous: bytes
    current: bytes
    reservations: _containers.RepeatedCompositeFieldContainer[KeptReservation]
    row_reservations: _containers.RepeatedScalarFieldContainer[int]
    keys: _containers.RepeatedScalarFieldContainer[int]
    complaints: _containers.RepeatedCompositeFieldContainer[Complaint]
    feeds: _containers.RepeatedCompositeFieldContainer[PlacedFeed]
    claims: _containers.RepeatedCompositeFieldContainer[FeedClaims]
    journals: _containers.RepeatedCompositeFieldContainer[JournalPosition]
    def __init__(self, decided_at: _Optional[int] = ..., command: _Optional[str] = ..., actor: _Optional[str] = ..., note: _Optional[str] = ..., command_id: _Optional[str] = ..., headers: _Optional[bytes] = ..., policies: _Optional[_Iterable[_Union[PlacedPolicy, _Mapping]]] = ..., pools: _Optional[_Iterable[_Union[PlacedPool, _Mapping]]] = ..., response: _Optional[bytes] = ..., previous: _Optional[bytes] = ..., current: _Optional[bytes] = ..., reservations: _Optional[_Iterable[_Union[KeptReservation, _Mapping]]] = ..., row_reservations: _Optional[_Iterable[int]] = ..., keys: _Optional[_Iterable[int]] = ..., complaints: _Optional[_Iterable[_Union[Complaint, _Mapping]]] = ..., feeds: _Optional[_Iterable[_Union[PlacedFeed, _Mapping]]] = ..., claims: _Optional[_Iterable[_Union[FeedClaims, _Mapping]]] = ..., journals: _Optional[_Iterable[_Union[JournalPosition, _Mapping]]] = ...) -> None: ...

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

class PlacedFeed(_message.Message):
    __slots__ = ("index", "feed", "registration")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    FEED_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    index: int
    feed: _quarantine_service_pb2.Feed
    registration: int
    def __init__(self, index: _Optional[int] = ..., feed: _Optional[_Union[_quarantine_service_pb2.Feed, _Mapping]] = ..., registration: _Optional[int] = ...) -> None: ...

class FeedClaims(_message.Message):
    __slots__ = ("feed", "bounds", "watermark")
    FEED_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    feed: int
    bounds: _containers.RepeatedScalarFieldContainer[int]
    watermark: int
    def __init__(self, feed: _Optional[int] = ..., bounds: _Optional[_Iterable[int]] = ..., watermark: _Optional[int] = ...) -> None: ...

class JournalPosition(_message.Message):
    __slots__ = ("name", "position")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    name: str
    position: int
    def __init__(self, name: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class KeptReservation(_message.Message):
    __slots__ = ("id", "pool", "state", "numbers", "refused", "created_at", "expires_at", "ended_at", "actor", "request_id", "request_digest", "first_response")
    ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    FIRST_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    id: str
    pool: int
    state: _types_pb2.ReservationState
    numbers: _containers.RepeatedScalarFieldContainer[int]
    refused: _containers.RepeatedCompositeFieldContainer[_types_pb2.Refusal]
    created_at: int
    expires_at: int
    ended_at: int
    actor: str
    request_id: str
    request_digest: bytes
    first_response: bytes
    def __init__(self, id: _Optional[str] = ..., pool: _Optional[int] = ..., state: _Optional[_Union[_types_pb2.ReservationState, str]] = ..., numbers: _Optional[_Iterable[int]] = ..., refused: _Optional[_Iterable[_Union[_types_pb2.Refusal, _Mapping]]] = ..., created_at: _Optional[int] = ..., expires_at: _Optional[int] = ..., ended_at: _Optional[int] = ..., actor: _Optional[str] = ..., request_id: _Optional[str] = ..., request_digest: _Optional[bytes] = ..., first_response: _Optional[bytes] = ...) -> None: ...

class Complaint(_message.Message):
    __slots__ = ("number", "pool", "policy", "assigned_at", "received_at")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_AT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    number: int
    pool: int
    policy: str
    assigned_at: int
    received_at: int
    def __init__(self, number: _Optional[int] = ..., pool: _Optional[int] = ..., policy: _Optional[str] = ..., assigned_at: _Optional[int] = ..., received_at: _Optional[int] = ...) -> None: ...

class KeeperImage(_message.Message):
    __slots__ = ("position", "decided_at", "policies", "pools", "reservations", "reservations_made", "hand_outs", "assigned_total", "complaints", "feeds", "claims", "journals", "hand_out_runs", "feeds_registered", "former_lives")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    RESERVATIONS_MADE_FIELD_NUMBER: _ClassVar[int]
    HAND_OUTS_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    COMPLAINTS_FIELD_NUMBER: _ClassVar[int]
    FEEDS_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    JOURNALS_FIELD_NUMBER: _ClassVar[int]
    HAND_OUT_RUNS_FIELD_NUMBER: _ClassVar[int]
    FEEDS_REGISTERED_FIELD_NUMBER: _ClassVar[int]
    FORMER_LIVES_FIELD_NUMBER: _ClassVar[int]
    position: int
    decided_at: int
    policies: _containers.RepeatedCompositeFieldContainer[PlacedPolicy]
    pools: _containers.RepeatedCompositeFieldContainer[PlacedPool]
    reservations: _containers.RepeatedScalarFieldContainer[bytes]
    reservations_made: int
    hand_outs: bytes
    assigned_total: _containers.RepeatedScalarFieldContainer[int]
    complaints: _containers.RepeatedScalarFieldContainer[int]
    feeds: _containers.RepeatedCompositeFieldContainer[PlacedFeed]
    claims: _containers.RepeatedCompositeFieldContainer[FeedClaims]
    journals: _containers.RepeatedCompositeFieldContainer[JournalPosition]
    hand_out_runs: _containers.RepeatedScalarFieldContainer[int]
    feeds_registered: int
    former_lives: bytes
    def __init__(self, position: _Optional[int] = ..., decided_at: _Optional[int] = ..., policies: _Optional[_Iterable[_Union[PlacedPolicy, _Mapping]]] = ..., pools: _Optional[_Iterable[_Union[PlacedPool, _Mapping]]] = ..., reservations: _Optional[_Iterable[bytes]] = ..., reservations_made: _Optional[int] = ..., hand_outs: _Optional[bytes] = ..., assigned_total: _Optional[_Iterable[int]] = ..., complaints: _Optional[_Iterable[int]] = ..., feeds: _Optional[_Iterable[_Union[PlacedFeed, _Mapping]]] = ..., claims: _Optional[_Iterable[_Union[FeedClaims, _Mapping]]] = ..., journals: _Optional[_Iterable[_Union[JournalPosition, _Mapping]]] = ..., hand_out_runs: _Optional[_Iterable[int]] = ..., feeds_registered: _Optional[int] = ..., former_lives: _Optional[bytes] = ...) -> None: ...
