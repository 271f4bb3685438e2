"""The table of a segment, for the modules that compute on it."""

from libc.stdint cimport uint64_t

from ringfence.engine.memory.record cimport (
    INDEX_OFFSET,
    INDEX_SLOTS,
    RECORD_BYTES,
    RECORD_SPANS,
    RECORDS_OFFSET,
    SPANS_OFFSET,
    segment_t,
)
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.table.table cimport table_t

cdef inline table_t segment_table(Segment segment) except *:
    """Pointers into the mapping: valid as long as the segment is open."""
    cdef segment_t *head = segment.head()
    cdef table_t table
    table.index = <uint64_t *>(segment.base + INDEX_OFFSET)
    table.index_slots = INDEX_SLOTS(head.capacity_numbers)
    table.records = segment.base + RECORDS_OFFSET(head.capacity_numbers)
    table.numbers = &head.numbers
    table.index_moves = &head.index_moves
    table.ring_entries = head.ring_entries
    table.record_bytes = RECORD_BYTES(head.ring_entries)
    table.spans = <uint64_t *>(
        segment.base + SPANS_OFFSET(head.capacity_numbers, head.ring_entries)
    )
    table.stretches = RECORD_SPANS(head.ring_entries)
    return table
