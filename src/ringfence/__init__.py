"""Decides from live traffic when a quarantined telephone number is clean: the client library.

`Client` and `AsyncClient` ask and command, `EventStream` sends what a switch sees. A name is loaded
when it is first used, so that `ringfence.engine`, and a process that still has to fork, load no
gRPC with it.
"""

from importlib import import_module

TYPE_CHECKING = False  # typing's own takes longer to load than all else here
if TYPE_CHECKING:
    from ringfence.async_client import AsyncClient
    from ringfence.channel import Tls
    from ringfence.client import Client
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
        AcceptedClock,
        CheckedNumber,
        CommandResult,
        Event,
        EventRejection,
        EventsAnswer,
        Feed,
        FeedStatus,
        Gap,
        HistoryEntry,
        Number,
        NumberChange,
        NumberRejection,
        Policy,
        Pool,
        PoolStatus,
        QuarantineResult,
        RecentEvent,
        Refusal,
        Reservation,
        Rule,
        RuleResult,
        Status,
    )
    from ringfence.watch import AsyncWatch, Watch
    from ringfence.words import (
        DisconnectReason,
        EventKind,
        Measure,
        ReservationState,
        Verdict,
    )

    __version__: str

__all__ = [
    "AcceptedClock",
    "AlreadyExists",
    "AsyncClient",
    "AsyncWatch",
    "BadField",
    "CheckedNumber",
    "Client",
    "CommandResult",
    "DeadlineExceeded",
    "DisconnectReason",
    "Draining",
    "Event",
    "EventKind",
    "EventRejection",
    "EventStream",
    "EventStreamStats",
    "EventsAnswer",
    "Feed",
    "FeedStatus",
    "Gap",
    "HistoryEntry",
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
    "NumberChange",
    "NumberRejection",
    "Policy",
    "Pool",
    "PoolStatus",
    "QuarantineResult",
    "Quota",
    "RecentEvent",
    "Refusal",
    "Reservation",
    "ReservationState",
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
    "Watch",
    "WrongState",
    "__version__",
    "caller_of_text",
]

_HOMES = (
    *("words", "model", "errors", "channel", "watch"),
    *("client", "async_client", "event_batch", "event_stream"),
)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib import metadata  # takes longer still

        return metadata.version("ringfence")
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"ringfence.{home}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module 'ringfence' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
