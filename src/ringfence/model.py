"""What the client gives and takes: frozen values without any trace of the wire.

Numbers are the integers of their E.164 digits. Times in answers are aware datetimes in UTC, or None
where there is none; times in questions may also be whole unix seconds. Durations are timedeltas.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from ringfence.words import DisconnectReason, EventKind, Measure, ReservationState, Verdict

Moment: TypeAlias = datetime | int


@dataclass(frozen=True, slots=True)
class CheckedNumber:
    """The verdict on one number."""

    number: int
    verdict: Verdict
    clean_at: datetime | None  # its place in the queue: as far as noise and age go, coverage aside
    expected_at: datetime | None = None  # CLEAN from then on, if it is silent and listened to


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule of the number's policy and what it measured."""

    measure: Measure
    kinds: tuple[EventKind, ...]  # none = every kind
    window: timedelta
    limit: int
    value: int
    broken: bool
    saturated: bool  # the ring holds too short a time to prove that the rule is kept


@dataclass(frozen=True, slots=True)
class RecentEvent:
    """One retained event; its caller is told apart from others, never named."""

    occurred_at: datetime
    kind: EventKind
    caller_tag: int  # 1, 2, 3 ... within one answer; 0 = withheld
    spray: bool


@dataclass(frozen=True, slots=True)
class Number:
    """Everything known of one number; a list leaves the last four empty."""

    number: int
    verdict: Verdict
    pool: str
    policy: str
    reason: DisconnectReason
    quarantined_at: datetime | None
    observed_since: datetime | None
    clean_at: datetime | None
    expected_at: datetime | None
    last_event_at: datetime | None
    events_total: int
    overdue: bool
    overridden: bool
    reservation: str
    rule_results: tuple[RuleResult, ...]
    coverage: float  # 0 to 1
    queue_position: int  # 1 = next; 0 = not queued
    recent: tuple[RecentEvent, ...]  # newest first


@dataclass(frozen=True, slots=True)
class Refusal:
    """A number that a command left out, and the verdict that made it so."""

    number: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Reservation:
    """A lease of clean numbers; a list leaves `numbers` and `refused` empty."""

    id: str
    pool: str
    state: ReservationState
    count: int
    numbers: tuple[int, ...]
    refused: tuple[Refusal, ...]  # asked for or once part of it, and not held by it
    created_at: datetime | None
    expires_at: datetime | None
    actor: str


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of the numbers of an operator's command."""

    changed: tuple[int, ...]  # with those that were so already
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change in a number's history."""

    changed_at: datetime | None
    number: int
    pool: str
    previous: Verdict | None
    current: Verdict | None
    command: str  # the rpc; empty = time or an event
    actor: str
    note: str
    reservation: str


@dataclass(frozen=True, slots=True)
class NumberChange:
    """One change of a verdict, as a watcher is told of it."""

    number: int
    pool: str
    previous: Verdict | None
    current: Verdict | None
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Event:
    """One attempt to reach a number."""

    called: int
    caller: int = field(repr=False)  # 0 = withheld; see caller_of_text for text senders
    occurred_at: Moment
    kind: EventKind


@dataclass(frozen=True, slots=True)
class EventRejection:
    """An event that was not taken: its position in the batch, and field, value and bound."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class EventsAnswer:
    """What became of a batch: accepted + untracked + rejected = its events."""

    accepted: int
    untracked: int
    rejected: int
    rejections: tuple[EventRejection, ...]  # the first 10
    watermark: datetime | None  # greatest end of a durable claim of the feed


@dataclass(frozen=True, slots=True)
class Rule:
    """More than `limit` of `measure` within `window` breaks the rule."""

    measure: Measure
    window: timedelta
    limit: int
    kinds: tuple[EventKind, ...] = ()  # none = every kind


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules and ages that decide when a number of a pool is clean."""

    name: str
    rules: tuple[Rule, ...]
    minimum_age: timedelta = timedelta(0)
    maximum_age: timedelta | None = None
    quiet_period: timedelta = timedelta(0)
    minimum_coverage: float = 0.0  # 0 to 1
    description: str = ""
    revision: int = 0  # in a put: 0 overwrites, another must be the present one


@dataclass(frozen=True, slots=True)
class Pool:
    """A set of interchangeable numbers handed out from one queue."""

    name: str
    policy: str
    required_feeds: tuple[str, ...] = ()  # none = always covered
    description: str = ""
    revision: int = 0  # in a put: 0 overwrites, another must be the present one


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """A pool and how its numbers are doing, as of the server's last scan."""

    pool: Pool
    verdict_counts: Mapping[Verdict, int]
    overdue: int
    forecast: tuple[int, ...]  # by expected_at: of the next 24 h, of the 24 h after, ...
    counted_at: datetime | None
    complaints: int
    assigned_total: int


@dataclass(frozen=True, slots=True)
class Feed:
    """One sender of events."""

    name: str
    silence_max: timedelta | None = None  # the alarm is raised after it; None = 120 s
    description: str = ""
    revision: int = 0  # in a put: 0 overwrites, another must be the present one


@dataclass(frozen=True, slots=True)
class Gap:
    """A time that a feed did not cover."""

    began_at: datetime | None
    ended_at: datetime | None  # None = still open


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """A feed and how it is doing."""

    feed: Feed
    watermark: datetime | None  # greatest end of a durable claim
    lag: timedelta | None
    events_last_minute: int
    events_last_day: int
    gaps: tuple[Gap, ...]  # the newest 100


@dataclass(frozen=True, slots=True)
class NumberRejection:
    """A number that was not put into quarantine: field, value and bound."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class QuarantineResult:
    """What became of the numbers that were to be put into quarantine."""

    accepted: int
    already_quarantined: int
    rejected: int
    rejections: tuple[NumberRejection, ...]  # the first 100


@dataclass(frozen=True, slots=True)
class Status:
    """How the installation is doing."""

    version: str
    workers: int
    capacity_numbers: int
    numbers: int
    ring_entries: int
    events_total: int
    spray_callers: int
    spray_events: int
    spray_numbers: int
    spray_window: timedelta
    snapshot_at: datetime | None
    journal_writable: bool
    time: datetime | None = None  # for every decision; None = an older server does not say
    time_dispute: str = ""  # why the wall clock is not believed; empty = time is not disputed
    wall_clock: datetime | None = None  # of the server's machine
    wall_clock_synchronised: bool = False
    numbers_ready: int = 0  # for so many there is room at once
    room_held_up: str = ""  # who holds up the slots of numbers that left; empty = nobody


@dataclass(frozen=True, slots=True)
class AcceptedClock:
    """What time it is once the wall clock was accepted."""

    time: datetime
    disputed: bool  # the wall clock is before that still
