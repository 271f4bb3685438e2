"""Decides from live traffic when a quarantined telephone number is clean: the client library.

`Client` and `AsyncClient` ask and command, `EventStream` sends what a switch sees. A name is loaded
when it is first used, so that `ringfence.engine`, and a process that still has to fork, load no
gRPC with it.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ringfence.channel import Tls
    from ringfence.client import AsyncClient, Client
    from ringfence.errors import (
        AlreadyExists,
        BadField,
        DeadlineExceeded,
        Draining,
        Internal,
        InUse,
        JournalDown,
        KeeperDown,
        MessageTooLarge,
        NoSuchFeed,
        NoSuchPolicy,
        NoSuchPool,
        NoSuchReservation,
        NotClean,
        NotFound,
        Quota,
        RevisionConflict,
        RingfenceError,
        SlowWatcher,
        TableFull,
        TooFewClean,
        Unavailable,
        Unimplemented,
        Unreachable,
        Violation,
        WrongState,
    )
    from ringfence.event_batch import caller_of_text
    from ringfence.event_stream import EventStream, EventStreamStats
    from ringfence.model import (
        CheckedNumber,
        Event,
        EventRejection,
        EventsAnswer,
        Number,
        NumberRejection,
        Policy,
        Pool,
        PoolStatus,
        QuarantineResult,
        RecentEvent,
        Rule,
        RuleResult,
        Status,
    )
    from ringfence.words import (
        DisconnectReason,
        EventKind,
        Measure,
        Verdict,
    )

    __version__: str

__all__ = [
    "AlreadyExists",
    "AsyncClient",
    "BadField",
    "CheckedNumber",
    "Client",
    "DeadlineExceeded",
    "DisconnectReason",
    "Draining",
    "Event",
    "EventKind",
    "EventRejection",
    "EventStream",
    "EventStreamStats",
    "EventsAnswer",
    "InUse",
    "Internal",
    "JournalDown",
    "KeeperDown",
    "Measure",
    "MessageTooLarge",
    "NoSuchFeed",
    "NoSuchPolicy",
    "NoSuchPool",
    "NoSuchReservation",
    "NotClean",
    "NotFound",
    "Number",
    "NumberRejection",
    "Policy",
    "Pool",
    "PoolStatus",
    "QuarantineResult",
    "Quota",
    "RecentEvent",
    "RevisionConflict",
    "RingfenceError",
    "Rule",
    "RuleResult",
    "SlowWatcher",
    "Status",
    "TableFull",
    "Tls",
    "TooFewClean",
    "Unavailable",
    "Unimplemented",
    "Unreachable",
    "Verdict",
    "Violation",
    "WrongState",
    "__version__",
    "caller_of_text",
]

_HOMES = ("words", "model", "errors", "channel", "client", "event_batch", "event_stream")


def __getattr__(name: str) -> object:
    if name == "__version__":
        return metadata.version("ringfence")
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"ringfence.{home}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module 'ringfence' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
