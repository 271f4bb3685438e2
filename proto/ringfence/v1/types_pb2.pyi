from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_CLEAN: _ClassVar[Verdict]
    VERDICT_AGING: _ClassVar[Verdict]
    VERDICT_NOISY: _ClassVar[Verdict]
    VERDICT_UNOBSERVED: _ClassVar[Verdict]
    VERDICT_HELD: _ClassVar[Verdict]
    VERDICT_RESERVED: _ClassVar[Verdict]
    VERDICT_ASSIGNED: _ClassVar[Verdict]
    VERDICT_RETIRED: _ClassVar[Verdict]
    VERDICT_UNTRACKED: _ClassVar[Verdict]

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_CALL: _ClassVar[EventKind]
    EVENT_KIND_SMS: _ClassVar[EventKind]
    EVENT_KIND_A2P_SMS: _ClassVar[EventKind]
    EVENT_KIND_MMS: _ClassVar[EventKind]
    EVENT_KIND_VOICEMAIL: _ClassVar[EventKind]
    EVENT_KIND_VIDEO: _ClassVar[EventKind]

class Measure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEASURE_UNSPECIFIED: _ClassVar[Measure]
    MEASURE_EVENTS: _ClassVar[Measure]
    MEASURE_CALLERS: _ClassVar[Measure]
    MEASURE_REPEAT_CALLERS: _ClassVar[Measure]

class DisconnectReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISCONNECT_REASON_UNSPECIFIED: _ClassVar[DisconnectReason]
    DISCONNECT_REASON_CUSTOMER_REQUEST: _ClassVar[DisconnectReason]
    DISCONNECT_REASON_NON_PAYMENT: _ClassVar[DisconnectReason]
    DISCONNECT_REASON_INACTIVITY: _ClassVar[DisconnectReason]
    DISCONNECT_REASON_HARASSMENT: _ClassVar[DisconnectReason]
    DISCONNECT_REASON_PORT_RETURN: _ClassVar[DisconnectReason]
    DISCONNECT_REASON_NEVER_ASSIGNED: _ClassVar[DisconnectReason]
    DISCONNECT_REASON_DECEASED: _ClassVar[DisconnectReason]
    DISCONNECT_REASON_FRAUD: _ClassVar[DisconnectReason]

class ReservationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESERVATION_STATE_UNSPECIFIED: _ClassVar[ReservationState]
    RESERVATION_STATE_ACTIVE: _ClassVar[ReservationState]
    RESERVATION_STATE_CONFIRMED: _ClassVar[ReservationState]
    RESERVATION_STATE_CANCELLED: _ClassVar[ReservationState]
    RESERVATION_STATE_EXPIRED: _ClassVar[ReservationState]
VERDICT_UNSPECIFIED: Verdict
VERDICT_CLEAN: Verdict
VERDICT_AGING: Verdict
VERDICT_NOISY: Verdict
VERDICT_UNOBSERVED: Verdict
VERDICT_HELD: Verdict
VERDICT_RESERVED: Verdict
VERDICT_ASSIGNED: Verdict
VERDICT_RETIRED: Verdict
VERDICT_UNTRACKED: Verdict
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_CALL: EventKind
EVENT_KIND_SMS: EventKind
EVENT_KIND_A2P_SMS: EventKind
EVENT_KIND_MMS: EventKind
EVENT_KIND_VOICEMAIL: EventKind
EVENT_KIND_VIDEO: EventKind
MEASURE_UNSPECIFIED: Measure
MEASURE_EVENTS: Measure
MEASURE_CALLERS: Measure
MEASURE_REPEAT_CALLERS: Measure
DISCONNECT_REASON_UNSPECIFIED: DisconnectReason
DISCONNECT_REASON_CUSTOMER_REQUEST: DisconnectReason
DISCONNECT_REASON_NON_PAYMENT: DisconnectReason
DISCONNECT_REASON_INACTIVITY: DisconnectReason
DISCONNECT_REASON_HARASSMENT: DisconnectReason
DISCONNECT_REASON_PORT_RETURN: DisconnectReason
DISCONNECT_REASON_NEVER_ASSIGNED: DisconnectReason
DISCONNECT_REASON_DECEASED: DisconnectReason
DISCONNECT_REASON_FRAUD: DisconnectReason
RESERVATION_STATE_UNSPECIFIED: ReservationState
RESERVATION_STATE_ACTIVE: ReservationState
RESERVATION_STATE_CONFIRMED: ReservationState
RESERVATION_STATE_CANCELLED: ReservationState
RESERVATION_STATE_EXPIRED: ReservationState

class Refusal(_message.Message):
    __slots__ = ("number", "verdict")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    number: int
    verdict: Verdict
    def __init__(self, number: _Optional[int] = ..., verdict: _Optional[_Union[Verdict, str]] = ...) -> None: ...
