"""The C side of `Segment`: pointers into the mapping for the modules that compute on it."""

from libc.stdint cimport uint8_t, uint64_t

from ringfence.engine.memory.record cimport counters_t, coverage_t, segment_t, settings_t

cdef class Segment:
    cdef object _map  # mmap.mmap; raises BufferError when closed under a view
    cdef uint8_t *base

    cdef segment_t *head(self) except NULL
    cdef counters_t *worker_counters(self, int worker) except NULL
    cdef settings_t *settings(self, uint64_t generation) except NULL
    cdef coverage_t *coverage(self) except NULL
    cdef uint8_t *spray_map(self) except NULL
