"""All records of a table as one array, and the hash of what they say."""

import hashlib

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory.layout import GENERATION_MASK, TIME_SHIFT
from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.header_rows import numbers_of, states_of
from ringfence.engine.words import TRACKED


def record_dtype(ring_entries: int) -> np.dtype[np.void]:
    """A record with K entries, see `record.h`.

    Fields: key, control, quarantined_at, override_at, events_total, origin, entries (K).
    """
    return np.dtype(
        [
            ("key", "<u8"),
            ("control", "<u8"),
            ("quarantined_at", "<u4"),
            ("override_at", "<u4"),
            ("events_total", "<u4"),
            ("origin", "<u4"),
            ("entries", "<u8", (ring_entries,)),
        ]
    )


def records(segment: Segment) -> npt.NDArray[np.void]:
    """The records as a read-only array of length segment.numbers, of `record_dtype`.

    It is live memory: fields change while one looks.
    """
    first = segment.records_offset
    end = first + segment.numbers * segment.record_bytes
    return np.frombuffer(
        segment.view().toreadonly()[first:end], dtype=record_dtype(segment.ring_entries)
    )


def state_hash(segment: Segment) -> bytes:
    """SHA-256 over every tracked number and its sorted entries that count."""
    found = records(segment)
    states = states_of(found)
    tracked = found[np.isin(states, TRACKED)].copy()
    tracked["control"] &= ~np.uint64(GENERATION_MASK)
    tracked["events_total"] = 0
    entries = tracked["entries"]
    entries[entries >> np.uint64(TIME_SHIFT) < tracked["quarantined_at"][:, None]] = 0
    entries.sort(axis=1)
    return hashlib.sha256(tracked[np.argsort(numbers_of(tracked))].tobytes()).digest()
