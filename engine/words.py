"""The words of the contract as integers; equal to the enums of `ringfence.v1` (a test says so)."""

from enum import IntEnum


class Verdict(IntEnum):
    """What the engine says of a number at a time."""

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
    SMS = 2
    A2P_SMS = 3
    MMS = 4
    VOICEMAIL = 5
    VIDEO = 6


class Measure(IntEnum):
    """What a rule counts."""

    EVENTS = 1
    CALLERS = 2
    REPEAT_CALLERS = 3


class DisconnectReason(IntEnum):
    """Why the last subscriber left; 0 = not said."""

    UNSPECIFIED = 0
    CUSTOMER_REQUEST = 1
    NON_PAYMENT = 2
    INACTIVITY = 3
    HARASSMENT = 4
    PORT_RETURN = 5
    NEVER_ASSIGNED = 6
    DECEASED = 7
    FRAUD = 8


class State(IntEnum):
    """What a command last made of a number; a verdict also looks at its events and its age."""

    EMPTY = 0
    QUARANTINED = 1
    HELD = 2
    RESERVED = 3
    ASSIGNED = 4
    RETIRED = 5
    FREE = 6


TRACKED = (State.QUARANTINED, State.HELD, State.RESERVED)
"""The states in which events of a number are kept."""


class Outcome(IntEnum):
    """What became of a number that was to be quarantined."""

    QUARANTINED = 0
    ALREADY_QUARANTINED = 1
    TOO_EARLY = 2  # quarantined_at lies before the end of the number's former life


FORMER_LIFE_S = 310
"""How long after a number was last tracked its former life ends, for then no event of it can be of
a later time: events are taken up to 300 s ahead, and clocks differ by some seconds. Only then the
next life may begin; so no event of the former one counts in it, in no replay either."""
