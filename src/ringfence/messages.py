"""Between the messages of `ringfence.v1` and the values of `ringfence.model`."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from itertools import islice
from typing import Any, Generic, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence import model
from ringfence.v1 import event_service_pb2 as event_v1
from ringfence.v1 import number_service_pb2 as number_v1
from ringfence.v1 import quarantine_service_pb2 as quarantine_v1
from ringfence.words import DisconnectReason, EventKind, Measure, Verdict

T = TypeVar("T")
Integers: TypeAlias = npt.NDArray[np.integer[Any]]
Numbers: TypeAlias = Iterable[int] | Integers
Column: TypeAlias = T | Iterable[T] | Integers | None
"""A field given once for all numbers, once for each, or not at all."""

ARRAY_PART = 65_536


def integers(values: Numbers) -> Iterator[int]:
    """The values as Python integers; an array is turned into them part by part."""
    if isinstance(values, np.ndarray):
        for begin in range(0, len(values), ARRAY_PART):
            yield from values[begin : begin + ARRAY_PART].tolist()
    else:
        yield from values


def take(source: Iterator[T], count: int) -> list[T]:
    """The next `count` values, fewer at the end."""
    return list(islice(source, count))


class NextValues(Generic[T]):
    """Gives a field's values for the numbers of one request after the other."""

    def __init__(self, field: str, given: Column[T], convert: Callable[[Any], int]) -> None:
        self._field = field
        self._convert = convert
        self._only: list[int] | None = None
        self._source: Iterator[Any] = iter(())
        if given is None:
            self._only = []
        elif isinstance(given, int | datetime):
            self._only = [convert(given)]
        else:
            self._source = integers(cast(Numbers, given))

    def take(self, count: int) -> list[Any]:
        """The values for the next `count` numbers; raises ValueError when there are too few."""
        if self._only is not None:
            return self._only
        values = [self._convert(value) for value in take(self._source, count)]
        if len(values) < count:
            raise ValueError(f"{self._field} ends before the numbers: {len(values)} for {count}")
        return values

    def end(self) -> None:
        """Raises ValueError when there are values left after the last number."""
        if next(self._source, None) is not None:
            raise ValueError(f"{self._field} has more values than there are numbers")


def enums(values: Iterable[IntEnum]) -> list[Any]:
    """The values as the messages take them: the stubs of v1 admit its own enums only."""
    return [int(value) for value in values]


def unix_seconds(moment: model.Moment | None) -> int:
    """Whole unix seconds, 0 for None; raises ValueError for a datetime without a time zone."""
    if moment is None:
        return 0
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"time without a time zone: {moment.isoformat()}")
        return int(moment.timestamp())
    return moment


def moment_of(seconds: int) -> datetime | None:
    """The time of whole unix seconds; None for 0."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _time(message: Any, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(tzinfo=UTC)


def _duration(delta: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(delta)
    return duration


def checked(
    numbers: list[int], answer: number_v1.CheckNumbersResponse
) -> list[model.CheckedNumber]:
    """One value a number asked about, in that order."""
    return [
        model.CheckedNumber(number, Verdict(verdict), moment_of(clean_at))
        for number, verdict, clean_at in zip(numbers, answer.verdicts, answer.clean_at, strict=True)
    ]


def number(message: number_v1.Number) -> model.Number:
    """A number with all that is known of it."""
    return model.Number(
        number=message.number,
        verdict=Verdict(message.verdict),
        pool=message.pool,
        policy=message.policy,
        reason=DisconnectReason(message.reason),
        quarantined_at=_time(message, "quarantined_at"),
        observed_since=_time(message, "observed_since"),
        clean_at=_time(message, "clean_at"),
        last_event_at=_time(message, "last_event_at"),
        events_total=message.events_total,
        overdue=message.overdue,
        overridden=message.overridden,
        reservation=message.reservation,
        rule_results=tuple(_rule_result(result) for result in message.rule_results),
        coverage=message.coverage,
        queue_position=message.queue_position,
        recent=tuple(_recent_event(event) for event in message.recent),
    )


def _rule_result(message: number_v1.RuleResult) -> model.RuleResult:
    return model.RuleResult(
        measure=Measure(message.measure),
        kinds=tuple(EventKind(kind) for kind in message.kinds),
        window=message.window.ToTimedelta(),
        limit=message.limit,
        value=message.value,
        broken=message.broken,
        saturated=message.saturated,
    )


def _recent_event(message: number_v1.RecentEvent) -> model.RecentEvent:
    return model.RecentEvent(
        occurred_at=message.occurred_at.ToDatetime(tzinfo=UTC),
        kind=EventKind(message.kind),
        caller_tag=message.caller_tag,
        spray=message.spray,
    )


def events_answer(message: event_v1.RecordEventsResponse) -> model.EventsAnswer:
    """What became of a batch."""
    return model.EventsAnswer(
        accepted=message.accepted,
        untracked=message.untracked,
        rejected=message.rejected,
        rejections=tuple(model.EventRejection(r.index, r.reason) for r in message.rejections),
        watermark=moment_of(message.watermark),
    )


def quarantine_result(message: quarantine_v1.QuarantineNumbersResponse) -> model.QuarantineResult:
    """What became of the numbers of a stream."""
    return model.QuarantineResult(
        accepted=message.accepted,
        already_quarantined=message.already_quarantined,
        rejected=message.rejected,
        rejections=tuple(model.NumberRejection(r.number, r.reason) for r in message.rejections),
    )


def policy(message: quarantine_v1.Policy) -> model.Policy:
    """A policy as the server has it."""
    return model.Policy(
        name=message.name,
        rules=tuple(
            model.Rule(
                measure=Measure(rule.measure),
                window=rule.window.ToTimedelta(),
                limit=rule.limit,
                kinds=tuple(EventKind(kind) for kind in rule.kinds),
            )
            for rule in message.rules
        ),
        minimum_age=message.minimum_age.ToTimedelta(),
        maximum_age=(
            message.maximum_age.ToTimedelta() if message.HasField("maximum_age") else None
        ),
        quiet_period=message.quiet_period.ToTimedelta(),
        minimum_coverage=message.minimum_coverage,
        description=message.description,
        revision=message.revision,
    )


def policy_message(policy: model.Policy) -> quarantine_v1.Policy:
    """A policy to send."""
    message = quarantine_v1.Policy(
        name=policy.name,
        minimum_age=_duration(policy.minimum_age),
        quiet_period=_duration(policy.quiet_period),
        minimum_coverage=policy.minimum_coverage,
        description=policy.description,
        revision=policy.revision,
    )
    if policy.maximum_age is not None:
        message.maximum_age.FromTimedelta(policy.maximum_age)
    for rule in policy.rules:
        (measure,) = enums([rule.measure])
        message.rules.add(
            measure=measure,
            kinds=enums(rule.kinds),
            window=_duration(rule.window),
            limit=rule.limit,
        )
    return message


def pool(message: quarantine_v1.Pool) -> model.Pool:
    """A pool as the server has it."""
    return model.Pool(
        name=message.name,
        policy=message.policy,
        required_feeds=tuple(message.required_feeds),
        description=message.description,
        revision=message.revision,
    )


def pool_message(pool: model.Pool) -> quarantine_v1.Pool:
    """A pool to send."""
    return quarantine_v1.Pool(
        name=pool.name,
        policy=pool.policy,
        required_feeds=pool.required_feeds,
        description=pool.description,
        revision=pool.revision,
    )


def pool_status(message: quarantine_v1.PoolStatus) -> model.PoolStatus:
    """A pool with its counts."""
    return model.PoolStatus(
        pool=pool(message.pool),
        verdict_counts={Verdict(v.verdict): v.count for v in message.verdict_counts},
        overdue=message.overdue,
        forecast=tuple(message.forecast),
        counted_at=_time(message, "counted_at"),
        complaints=message.complaints,
        assigned_total=message.assigned_total,
    )


def status(message: quarantine_v1.GetStatusResponse) -> model.Status:
    """How the installation is doing."""
    return model.Status(
        version=message.version,
        workers=message.workers,
        capacity_numbers=message.capacity_numbers,
        numbers=message.numbers,
        ring_entries=message.ring_entries,
        events_total=message.events_total,
        spray_callers=message.spray_callers,
        spray_events=message.spray_events,
        spray_numbers=message.spray_numbers,
        spray_window=message.spray_window.ToTimedelta(),
        snapshot_at=_time(message, "snapshot_at"),
        journal_writable=message.journal_writable,
    )
