"""The C side of reading settings back."""

from libc.stdint cimport uint64_t

from ringfence.engine.memory.record cimport settings_t
from ringfence.engine.memory.segment cimport Segment

cdef uint64_t copy_settings(Segment segment, settings_t *into) except? 0
