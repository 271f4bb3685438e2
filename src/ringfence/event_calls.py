"""The operations of EventService, each described once for both clients."""

from collections.abc import Iterable

from ringfence import model
from ringfence.calls import Ask, method
from ringfence.messages import enums, moment_of, unix_seconds
from ringfence.v1 import event_service_pb2 as event_v1

_SERVICE = (event_v1.DESCRIPTOR, "EventService")

STREAM_EVENTS = method(*_SERVICE, "StreamEvents")
RECORD_EVENTS = method(*_SERVICE, "RecordEvents", repeatable=True)


def record_events(
    feed: str,
    events: Iterable[model.Event],
    *,
    complete_from: model.Moment | None = None,
    watermark: model.Moment | None = None,
    sequence: int = 0,
) -> Ask[model.EventsAnswer]:
    """Records at most 65,536 events and returns when they are durable.

    With a watermark it claims that all of the feed's events in [complete_from, watermark) are in
    this batch or were answered before.
    """
    batch = list(events)
    request = event_v1.RecordEventsRequest(
        feed=feed,
        sequence=sequence,
        watermark=unix_seconds(watermark),
        complete_from=unix_seconds(complete_from),
        called=[event.called for event in batch],
        caller=[event.caller for event in batch],
        occurred_at=[unix_seconds(event.occurred_at) for event in batch],
        kind=enums(event.kind for event in batch),
    )
    return Ask(RECORD_EVENTS, request, _answer)


def _answer(message: event_v1.RecordEventsResponse) -> model.EventsAnswer:
    """What became of a batch."""
    return model.EventsAnswer(
        accepted=message.accepted,
        untracked=message.untracked,
        rejected=message.rejected,
        rejections=tuple(model.EventRejection(r.index, r.reason) for r in message.rejections),
        watermark=moment_of(message.watermark),
    )
