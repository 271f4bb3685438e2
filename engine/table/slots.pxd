"""The C side of `Slots`, for the writer of headers."""

from libc.stdint cimport int64_t, uint64_t

from ringfence.engine.memory.record cimport record_t, segment_t
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.table.table cimport table_t

cdef class Slots:
    cdef readonly Segment segment
    cdef object _hold
    cdef table_t _table
    cdef segment_t *_head
    cdef object _free_bits
    cdef uint64_t[::1] _free  # bit r = record r is FREE, and the index leads to it
    cdef readonly uint64_t free
    cdef uint64_t _free_at  # the word of `_free` that is looked at next
    cdef object _leaving  # deque of arrays: an epoch, and records that have left the index
    cdef readonly uint64_t leaving
    cdef object _empty  # array of records

    cdef void left(self, uint64_t at) noexcept
    cdef void came_back(self, uint64_t at) noexcept
    cdef int64_t take(self) noexcept
    cdef void _clear(self, record_t *record) noexcept
