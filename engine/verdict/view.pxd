"""The C side of `View`."""

from libc.stdint cimport uint64_t

from ringfence.engine.verdict.evaluate cimport view_t
from ringfence.engine.memory.record cimport coverage_t
from ringfence.engine.memory.segment cimport Segment

cdef class View:
    cdef Segment segment
    cdef view_t c
    cdef coverage_t *feeds  # as last read
    cdef uint64_t settings_generation
    cdef uint64_t coverage_generation

    cdef int refresh(self) except -1
