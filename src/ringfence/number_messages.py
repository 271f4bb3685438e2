"""Numbers, reservations and history as `ringfence.v1` has them, as values of `ringfence.model`."""

from collections.abc import Iterable
from datetime import UTC
from itertools import repeat
from typing import Any

from ringfence import model
from ringfence.messages import moment_of, time_of, verdict_of
from ringfence.v1 import number_service_pb2 as number_v1
from ringfence.words import DisconnectReason, EventKind, Measure, ReservationState, Verdict


def checked(
    numbers: list[int], answer: number_v1.CheckNumbersResponse
) -> list[model.CheckedNumber]:
    """One value a number asked about, in that order."""
    return [
        model.CheckedNumber(number, Verdict(verdict), moment_of(clean_at), moment_of(expected_at))
        for number, verdict, clean_at, expected_at in zip(
            numbers,
            answer.verdicts,
            answer.clean_at,
            answer.expected_at or repeat(0, len(numbers)),  # an older server has none
            strict=True,
        )
    ]


def number(message: number_v1.Number) -> model.Number:
    """A number with all that is known of it."""
    return model.Number(
        number=message.number,
        verdict=Verdict(message.verdict),
        pool=message.pool,
        policy=message.policy,
        reason=DisconnectReason(message.reason),
        quarantined_at=time_of(message, "quarantined_at"),
        observed_since=time_of(message, "observed_since"),
        clean_at=time_of(message, "clean_at"),
        expected_at=time_of(message, "expected_at"),
        last_event_at=time_of(message, "last_event_at"),
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


def refusals(messages: Iterable[Any]) -> tuple[model.Refusal, ...]:
    """The numbers that a command left out."""
    return tuple(model.Refusal(refused.number, Verdict(refused.verdict)) for refused in messages)


def reservation(message: number_v1.Reservation) -> model.Reservation:
    """A reservation."""
    return model.Reservation(
        id=message.id,
        pool=message.pool,
        state=ReservationState(message.state),
        count=message.count,
        numbers=tuple(message.numbers),
        refused=refusals(message.refused),
        created_at=time_of(message, "created_at"),
        expires_at=time_of(message, "expires_at"),
        actor=message.actor,
    )


def history_entry(message: number_v1.HistoryEntry) -> model.HistoryEntry:
    """One change in a number's history."""
    return model.HistoryEntry(
        changed_at=time_of(message, "changed_at"),
        number=message.number,
        pool=message.pool,
        previous=verdict_of(message.previous),
        current=verdict_of(message.current),
        command=message.command,
        actor=message.actor,
        note=message.note,
        reservation=message.reservation,
    )


def number_change(message: number_v1.NumberChange) -> model.NumberChange:
    """One change as a watcher is told of it."""
    return model.NumberChange(
        number=message.number,
        pool=message.pool,
        previous=verdict_of(message.previous),
        current=verdict_of(message.current),
        changed_at=time_of(message, "changed_at"),
    )
