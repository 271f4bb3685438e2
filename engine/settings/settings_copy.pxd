"""A copy of the settings that count: they are read from it, not from what may be switched."""

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from ringfence.engine.memory.atomic cimport fence_acquire, load_acquire_u64, load_relaxed_u64
from ringfence.engine.memory.record cimport segment_t, settings_t
from ringfence.engine.memory.segment cimport Segment

cdef enum:
    COPY_LOOKS_MAX = 1000

cdef inline bint settings_copy(
    Segment segment, settings_t *into, uint64_t *generation
) except -1:
    """Copies the settings and says their generation; False when they never settled."""
    cdef segment_t *head = segment.head()
    cdef int look
    for look in range(COPY_LOOKS_MAX):
        generation[0] = load_acquire_u64(&head.settings_generation)
        memcpy(into, segment.settings(generation[0]), sizeof(settings_t))
        fence_acquire()
        if load_relaxed_u64(&head.settings_generation) == generation[0]:
            return True
    return False
