"""The C side of `EventDecoder`: the arrays of the batch that it holds."""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

cdef class EventDecoder:
    cdef uint8_t *memory
    cdef uint64_t *called
    cdef uint64_t *caller
    cdef uint32_t *occurred_at
    cdef int32_t *kind
    cdef uint64_t *taken  # two words for each event: room for what an insert has taken
    cdef readonly str feed
    cdef readonly uint64_t sequence
    cdef readonly uint32_t watermark
    cdef readonly uint32_t complete_from
    cdef readonly uint32_t events
