"""The contract's Number from what the engine knows of one."""

from typing import cast

from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.engine.answers import Explanation
from ringfence.engine.settings.policy import Policy, Pool
from ringfence.server.link.keeper_service_pb2 import LookUpNumberResponse
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import types_pb2


def brief_message(explanation: Explanation, pool: Pool) -> pb.Number:
    """A number as a list shows it: without rules, coverage, queue position and recent events."""
    number = pb.Number(
        number=explanation.number,
        verdict=cast(types_pb2.Verdict, int(explanation.verdict)),
        pool=pool.name,
        policy=pool.policy,
        reason=cast(types_pb2.DisconnectReason, int(explanation.reason)),
        quarantined_at=Timestamp(seconds=explanation.quarantined_at),
        events_total=explanation.events_total,
        overdue=explanation.overdue,
        overridden=explanation.overridden,
        observed_since=Timestamp(seconds=explanation.observed_since),
    )
    if explanation.clean_at:
        number.clean_at.seconds = explanation.clean_at
    if explanation.expected_at:
        number.expected_at.seconds = explanation.expected_at
    if explanation.last_event_at:
        number.last_event_at.seconds = explanation.last_event_at
    return number


def full_message(explanation: Explanation, pool: Pool, policy: Policy) -> pb.Number:
    """Everything known of a number."""
    number = brief_message(explanation, pool)
    number.coverage = explanation.coverage
    for rule, result in zip(policy.rules, explanation.rules, strict=True):
        shown = number.rule_results.add(
            measure=int(rule.measure),
            kinds=[int(kind) for kind in sorted(rule.kinds)],
            limit=rule.limit,
            value=result.value,
            broken=result.broken,
            saturated=result.saturated,
        )
        shown.window.seconds = rule.window_s
    for event in explanation.recent:
        number.recent.add(
            occurred_at=Timestamp(seconds=event.occurred_at),
            kind=int(event.kind),
            caller_tag=event.caller_tag,
            spray=event.spray,
        )
    return number


def add_place(number: pb.Number, place: LookUpNumberResponse) -> None:
    """Adds what the keeper says, as far as it goes with the verdict: it was asked a moment later,
    when somebody may have reserved the number or given it back.
    """
    if number.verdict == types_pb2.VERDICT_RESERVED:
        number.reservation = place.reservation
    else:
        number.queue_position = place.queue_position
