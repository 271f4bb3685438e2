"""The C side of `Engine`."""

from ringfence.engine.events.callers cimport callers_t
from ringfence.engine.events.mark cimport caller_key_t
from ringfence.engine.memory.record cimport counters_t
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.verdict.view cimport View

cdef class Engine:
    cdef readonly Segment segment
    cdef object _hold  # a view of the mapping: it cannot close under the engine
    cdef View view
    cdef caller_key_t caller_key
    cdef bint has_caller_key
    cdef callers_t callers
    cdef counters_t *counters
