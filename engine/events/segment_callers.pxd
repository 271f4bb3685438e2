"""The caller table of a segment, and what makes a spray caller there."""

from ringfence.engine.events.callers cimport callers_t
from ringfence.engine.memory.record cimport (
    BUCKET_CALLERS,
    CALLERS_OFFSET,
    bucket_t,
    segment_t,
)
from ringfence.engine.memory.segment cimport Segment

cdef inline callers_t segment_callers(Segment segment) except *:
    """Pointers into the mapping: valid as long as the segment is open."""
    cdef segment_t *head = segment.head()
    cdef callers_t callers
    callers.buckets = NULL
    callers.bucket_bits = 0
    if head.callers:
        callers.buckets = <bucket_t *>(
            segment.base + CALLERS_OFFSET(head.capacity_numbers, head.ring_entries)
        )
        while BUCKET_CALLERS << callers.bucket_bits < head.callers:
            callers.bucket_bits += 1
    callers.numbers = head.spray_numbers
    callers.window_s = head.spray_window_s
    callers.spray_map = segment.spray_map()
    callers.spray_callers = &head.spray_callers
    callers.spray_callers_max = head.spray_callers_max
    return callers
