"""The C side of `Engine`."""

from libc.stdint cimport uint64_t

from ringfence.engine.evaluate cimport look_t, number_t, view_t
from ringfence.engine.mark cimport caller_key_t
from ringfence.engine.record cimport counters_t, record_t
from ringfence.engine.segment cimport Segment

cdef class Engine:
    cdef readonly Segment segment
    cdef object _hold  # a view of the mapping: it cannot close under the engine
    cdef view_t view
    cdef caller_key_t caller_key
    cdef bint has_caller_key
    cdef counters_t *counters
    cdef uint64_t settings_generation
    cdef uint64_t coverage_generation
