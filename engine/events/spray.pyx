"""The control plane of spray callers: the map made anew, and old ones dropped from it.

Thread safety: one process at a time; workers may note calls meanwhile, except during
`adopt_spray`, which is for a segment not yet in use.
"""

import numpy as np

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from ringfence.engine.memory.atomic cimport (
    add_relaxed_u64,
    fetch_and_relaxed_u8,
    load_relaxed_u64,
    store_relaxed_u64,
)
from ringfence.engine.events.callers cimport caller_is_spray, callers_t, mark_set_spray
from ringfence.engine.events.segment_callers cimport segment_callers
from ringfence.engine.memory.record cimport (
    BUCKET_CALLERS,
    MARK_BITS,
    MARK_MASK,
    MARK_SHIFT,
    SPRAY_MAP_BYTES,
    TIME_SHIFT,
    bucket_t,
)
from ringfence.engine.memory.segment cimport Segment

from ringfence.engine.settings.reading import read_spray


def adopt_spray(Segment segment not None, made_under):
    spray = read_spray(segment)
    if not spray.numbers or (
        (made_under.numbers, made_under.window_s) != (spray.numbers, spray.window_s)
    ):
        _judge_anew(segment)
    else:
        bits = np.unpackbits(_map(segment), bitorder="little")
        store_relaxed_u64(&segment.head().spray_callers, np.count_nonzero(bits))
    return drop_silent(segment)


cdef int _judge_anew(Segment segment) except -1:
    """Clears the map and sets the bits of the callers whose kept calls make them spray."""
    cdef callers_t callers = segment_callers(segment)
    cdef uint64_t buckets = segment.callers // BUCKET_CALLERS, at
    cdef uint32_t mark, i
    cdef uint64_t own, own_mask
    cdef const bucket_t *bucket
    memset(callers.spray_map, 0, SPRAY_MAP_BYTES)
    store_relaxed_u64(callers.spray_callers, 0)
    if not callers.numbers:
        return 0
    own_mask = (1u << (MARK_BITS - callers.bucket_bits)) - 1
    for at in range(buckets):
        bucket = &callers.buckets[at]
        for i in range(BUCKET_CALLERS):
            mark = <uint32_t>(bucket.heads[i] >> MARK_SHIFT & MARK_MASK)
            own = mark >> callers.bucket_bits
            if mark and caller_is_spray(&callers, &bucket.entries[i][0], own, own_mask):
                mark_set_spray(&callers, mark)
    return 0


def drop_silent(Segment segment not None):
    cdef callers_t callers = segment_callers(segment)
    cdef uint64_t known = load_relaxed_u64(callers.spray_callers)
    cdef const uint32_t[::1] cells
    cdef uint32_t mark
    cdef uint64_t i, dropped = 0
    cdef uint8_t bit
    if known < callers.spray_callers_max:
        return 0
    marks = np.flatnonzero(np.unpackbits(_map(segment), bitorder="little")).astype(np.uint32)
    called_at = _called_at(segment)[marks]
    kept = callers.spray_callers_max * 7 // 8
    cells = marks[np.argsort(called_at, kind="stable")][: max(0, len(marks) - kept)]
    for i in range(<uint64_t>cells.shape[0]):
        mark = cells[i]
        bit = <uint8_t>(1 << (mark & 7))
        if fetch_and_relaxed_u8(&callers.spray_map[mark >> 3], <uint8_t>~bit) & bit:
            dropped += 1
    add_relaxed_u64(callers.spray_callers, -dropped)
    return dropped


cdef object _map(Segment segment):
    """A copy of the map's bytes."""
    cdef const uint8_t[:] cells = <const uint8_t[:SPRAY_MAP_BYTES]>segment.spray_map()
    return np.array(cells)


cdef object _called_at(Segment segment):
    """The newest call of each mark, in unix seconds; 0 of one that the table does not hold."""
    cdef callers_t callers = segment_callers(segment)
    cdef uint64_t buckets = segment.callers // BUCKET_CALLERS, at, head
    cdef uint32_t i
    times = np.zeros(1 << MARK_BITS, dtype=np.uint32)
    cdef uint32_t[::1] cells = times
    with nogil:  # the keeper's loop goes on meanwhile
        for at in range(buckets):
            for i in range(BUCKET_CALLERS):
                head = load_relaxed_u64(&callers.buckets[at].heads[i])
                if head:
                    cells[head >> MARK_SHIFT & MARK_MASK] = <uint32_t>(head >> TIME_SHIFT)
    return times
