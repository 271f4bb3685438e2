"""The C side of `Engine`."""

from ringfence.engine.callers cimport callers_t
from ringfence.engine.mark cimport caller_key_t
from ringfence.engine.record cimport counters_t
from ringfence.engine.segment cimport Segment
from ringfence.engine.view cimport View

cdef class Engine:
    cdef readonly Segment segment
    cdef object _hold  # a view of the mapping: it cannot close under the engine
    cdef View view
    cdef caller_key_t caller_key
    cdef bint has_caller_key
    cdef callers_t callers
    cdef counters_t *counters
