from ringfence.v1 import number_service_pb2 as _number_service_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

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
    __slots__ = ("held_up",)
    HELD_UP_FIELD_NUMBER: _ClassVar[int]
    held_up: str
    def __init__(self, held_up: _Optional[str] = ...) -> None: ...

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

class ReadImageRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReadImageResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...
