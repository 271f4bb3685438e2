"""A value of a worker's journal: what one batch of events has changed. Drawn in FORMATS.md."""

import struct
from typing import NamedTuple

HEAD = struct.Struct("<BB2xIII")  # kind, bytes of the feed's name, complete_from, watermark, 0
KIND_EVENTS = 1


class EventValue(NamedTuple):
    """One journalled batch. A claim is [complete_from, watermark); watermark 0 = none."""

    feed: str
    complete_from: int
    watermark: int
    taken: bytes
    """As `Inserted.taken`."""


def encode_event_value(value: EventValue) -> bytes:
    """The bytes that the journal keeps."""
    feed = value.feed.encode("ascii")
    head = HEAD.pack(KIND_EVENTS, len(feed), value.complete_from, value.watermark, 0)
    return b"".join((head, feed, value.taken))


def decode_event_value(data: bytes) -> EventValue:
    """The batch that a value stands for; raises ValueError for what this version cannot read."""
    if len(data) < HEAD.size or data[0] != KIND_EVENTS:
        raise ValueError(f"not a batch of events: bytes={len(data)}, kind={data[:1].hex()}")
    _, feed_bytes, complete_from, watermark, _ = HEAD.unpack_from(data)
    end = HEAD.size + feed_bytes
    return EventValue(data[HEAD.size : end].decode("ascii"), complete_from, watermark, data[end:])
