"""The words of the contract as the client gives and takes them; equal to the enums of `v1`."""

from enum import IntEnum


class Verdict(IntEnum):
    """What the server says of a number at a time."""

    CLEAN = 1
    AGING = 2
    NOISY = 3
    UNOBSERVED = 4
    HELD = 5
    RESERVED = 6
    ASSIGNED = 7
    RETIRED = 8
    UNTRACKED = 9


class EventKind(IntEnum):
    """How somebody tried to reach a number."""

    CALL = 1
    SMS = 2  # from a person
    A2P_SMS = 3  # from an application
    MMS = 4
    VOICEMAIL = 5
    VIDEO = 6


class Measure(IntEnum):
    """What a rule counts."""

    EVENTS = 1
    CALLERS = 2
    REPEAT_CALLERS = 3


class DisconnectReason(IntEnum):
    """Why the last subscriber left."""

    UNSPECIFIED = 0
    CUSTOMER_REQUEST = 1
    NON_PAYMENT = 2
    INACTIVITY = 3
    HARASSMENT = 4
    PORT_RETURN = 5
    NEVER_ASSIGNED = 6
    DECEASED = 7
    FRAUD = 8


class ReservationState(IntEnum):
    """What has become of a reservation."""

    ACTIVE = 1
    CONFIRMED = 2  # its numbers are assigned
    CANCELLED = 3
    EXPIRED = 4
