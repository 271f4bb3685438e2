"""What the workload is made of: events with their true class, numbers, and who calls from where.

Every number, called or calling, has country code 999, which belongs to nobody. Called numbers and
the callers of each class have ranges of their own, so that a caller says what made it; an
application's sender is text, which the contract writes as a hash with the top bit set.
"""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Callers = npt.NDArray[np.uint64]
Records = npt.NDArray[np.void]

START = 1_704_067_200
"""Unix seconds at which every workload begins: 2024-01-01 00:00 UTC, a Monday."""
HOUR_S = 3_600
DAY_S = 86_400
WEEK_S = 7 * DAY_S

FIRST_NUMBER = 999_000_000_000
NUMBERS_MAX = 10**8


class TrueClass(IntEnum):
    """What an event really was; only an evaluation may look at it."""

    SPRAY_FRESH = 1  # a campaign that shows another caller with every call
    SPRAY_REUSED = 2  # a campaign that keeps its caller
    STORM = 3  # many people return calls that a spoofed caller made in this number's name
    STUCK = 4  # a machine that dials one number again and again
    PERSONAL = 5  # somebody who looks for the previous subscriber
    APPLICATION = 6  # an application's messages to the previous subscriber
    INSTITUTION = 7  # a clinic or a school that calls the previous subscriber
    COLLECTOR = 8  # a debt collector


BACKGROUND = frozenset(
    {TrueClass.SPRAY_FRESH, TrueClass.SPRAY_REUSED, TrueClass.STORM, TrueClass.STUCK}
)
"""Classes that have nothing to do with the previous subscriber."""

NEIGHBOUR_OFFSET = 500_000_000
"""A spoofed neighbour's distance from the numbers called: same last digits, another range."""

CALLER_RANGES = {
    TrueClass.SPRAY_FRESH: (999_500_000_000, 999_700_000_000),  # neighbours, then random ones
    TrueClass.SPRAY_REUSED: (999_700_000_000, 999_800_000_000),
    TrueClass.PERSONAL: (999_800_000_000, 999_900_000_000),
    TrueClass.STORM: (999_900_000_000, 999_980_000_000),
    TrueClass.COLLECTOR: (999_980_000_000, 999_990_000_000),
    TrueClass.INSTITUTION: (999_990_000_000, 999_995_000_000),
    TrueClass.STUCK: (999_995_000_000, 999_999_000_000),
}
"""First caller and end of each class that has a number."""
FIRST_STRANGER = 999_600_000_000  # fresh callers that are nobody's neighbours

EVENT = np.dtype(
    [
        ("called", np.uint64),
        ("caller", np.uint64),  # 0 = withheld
        ("occurred_at", np.uint32),  # unix seconds
        ("arrived_at", np.uint32),  # unix seconds; not before occurred_at
        ("kind", np.int32),  # EventKind
        ("true_class", np.uint8),  # TrueClass
        ("copy", np.bool_),  # sent once more: equal to an earlier event in all but its arrival
    ],
    align=True,
)

NUMBER = np.dtype(
    [
        ("number", np.uint64),
        ("quarantined_at", np.uint32),  # unix seconds
        ("reason", np.uint8),  # DisconnectReason
        ("personal", np.uint16),  # callers who look for the previous subscriber
        ("applications", np.uint16),  # senders of messages to the previous subscriber
        ("institutions", np.uint16),
        ("debts", np.uint16),
    ],
    align=True,
)


@dataclass(frozen=True)
class Attempts:
    """Attempts to reach numbers before they are delivered: columns of one length."""

    place: Places  # of the number called, in the workload's numbers
    caller: Callers
    at_s: Floats  # seconds since START
    kind: npt.NDArray[np.int32]
    true_class: npt.NDArray[np.uint8]

    def take(self, chosen: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Attempts":
        """Some of them."""
        return Attempts(
            self.place[chosen],
            self.caller[chosen],
            self.at_s[chosen],
            self.kind[chosen],
            self.true_class[chosen],
        )


def make_attempts(
    place: Places, caller: Callers, at_s: Floats, *, kind: object, true_class: object
) -> Attempts:
    """Attempts whose kind and true class are columns, or one value for all."""
    kinds = np.broadcast_to(np.asarray(kind, np.int32), place.shape)
    classes = np.broadcast_to(np.asarray(true_class, np.uint8), place.shape)
    return Attempts(place, caller, at_s, kinds, classes)


def join_attempts(parts: list[Attempts]) -> Attempts:
    """All of them, one part after the other."""
    return Attempts(
        np.concatenate([part.place for part in parts]),
        np.concatenate([part.caller for part in parts]),
        np.concatenate([part.at_s for part in parts]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.true_class for part in parts]),
    )


def text_caller(text: str) -> int:
    """A sender that is text, as the contract's integer."""
    return int.from_bytes(sha256(text.strip().casefold().encode()).digest()[:8]) | 1 << 63
