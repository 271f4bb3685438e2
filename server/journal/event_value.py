"""A value of a worker's journal: what one batch of events has changed. Drawn in FORMATS.md."""

import struct
from typing import NamedTuple

# Kind, bytes of the feed's name, its index + 1 or 0 = no claim, complete_from, watermark, its
# registration.
HEAD = struct.Struct("<BBHIII")
KIND_EVENTS = 1


class Claim(NamedTuple):
    """A feed has sent all of [begin, end), unix seconds: the one of this registration, which is at
    this index or was.
    """

    feed_index: int
    registration: int
    """0 = of before these were counted."""
    begin: int
    end: int


class EventValue(NamedTuple):
    """One journalled batch."""

    feed: str
    claim: Claim | None
    taken: bytes
    """As `Inserted.taken`."""


def encode_event_value(value: EventValue) -> bytes:
    """The bytes that the journal keeps."""
    feed = value.feed.encode("ascii")
    index, registration, begin, end = value.claim or (-1, 0, 0, 0)
    head = HEAD.pack(KIND_EVENTS, len(feed), index + 1, begin, end, registration)
    return b"".join((head, feed, value.taken))


def decode_event_value(data: bytes) -> EventValue:
    """The batch that a value stands for; raises ValueError for what this version cannot read."""
    if len(data) < HEAD.size or data[0] != KIND_EVENTS:
        raise ValueError(f"not a batch of events: bytes={len(data)}, kind={data[:1].hex()}")
    _, feed_bytes, index, complete_from, watermark, registration = HEAD.unpack_from(data)
    end = HEAD.size + feed_bytes
    claim = Claim(index - 1, registration, complete_from, watermark) if index else None
    return EventValue(data[HEAD.size : end].decode("ascii"), claim, data[end:])
