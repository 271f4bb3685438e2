"""An entry of a ring: one event as 64 bits, drawn in `memory/record.h`."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ringfence.engine.memory.record cimport KIND_MASK, MARK_MASK, MARK_SHIFT, TIME_SHIFT

cdef inline int64_t entry_time(uint64_t entry) noexcept nogil:
    return <int64_t>(entry >> TIME_SHIFT)

cdef inline uint32_t entry_mark(uint64_t entry) noexcept nogil:
    return <uint32_t>(entry >> MARK_SHIFT & MARK_MASK)

cdef inline uint32_t entry_kind(uint64_t entry) noexcept nogil:
    return <uint32_t>(entry & KIND_MASK)
