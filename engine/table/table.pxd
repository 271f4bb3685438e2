"""The table: an index of open addressing over the mixed number, and records that never move.

Thread safety: only the keeper adds numbers and takes them out (`index.pxd`, `slots.pyx`); any
process reads.
Invariants: the index is at most half full, so a search ends; an index entry appears after its
record is whole, and is gone before its record becomes another number's.

A record that was found may be another number's by the time it is looked at: who asks for a number
compares the one in the settled header. Inserts need not: `slots.pyx` waits for them.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from ringfence.engine.memory.atomic cimport (
    high_product_u64,
    load_acquire_u64,
    load_relaxed_u64,
    prefetch_write,
)
from ringfence.engine.memory.record cimport NUMBER_MASK, STRETCH_WORDS, record_t

cdef extern from *:
    # Cython's own: keeps the code for large rings out of the way of that for small ones.
    bint unlikely(bint condition) noexcept nogil

cdef enum:
    LINE_BYTES = 64

ctypedef struct table_t:
    uint64_t *index
    uint64_t index_slots
    uint8_t *records
    const uint64_t *numbers  # how many records have been a number's
    const uint64_t *index_moves
    uint32_t ring_entries
    uint32_t record_bytes
    uint64_t *spans  # one for each stretch of all records
    uint32_t stretches  # of a record; 0 = it has no spans, its ring is looked through whole

cdef inline bint record_is_of(const record_t *record, uint64_t number) noexcept nogil:
    return load_relaxed_u64(&record.key) & NUMBER_MASK == number

cdef inline uint64_t number_mix(uint64_t number) noexcept nogil:
    """Spreads numbers over 64 bits (the finalizer of MurmurHash3, a bijection)."""
    number ^= number >> 33
    number *= 0xff51afd7ed558ccdULL
    number ^= number >> 33
    number *= 0xc4ceb9fe1a85ec53ULL
    number ^= number >> 33
    return number

cdef inline record_t *table_at(const table_t *table, uint64_t at) noexcept nogil:
    """A record by its number, from 0 in the order in which they came."""
    return <record_t *>(table.records + at * table.record_bytes)

cdef inline uint64_t *record_spans(const table_t *table, const record_t *record) noexcept nogil:
    """The spans of a record's stretches."""
    return table.spans + (
        <uint64_t>(<const uint8_t *>record - table.records) // (8 * STRETCH_WORDS)
    )

cdef inline void record_prefetch(const table_t *table, const record_t *record) noexcept nogil:
    """Fetches a record's lines, all at once; of one with spans these and the header."""
    cdef uint32_t at = 2 * LINE_BYTES  # the first two are always there
    prefetch_write(record)
    if unlikely(table.stretches != 0):
        prefetch_write(record_spans(table, record))
        prefetch_write(record_spans(table, record) + table.stretches - 1)
        return
    prefetch_write(<const uint8_t *>record + LINE_BYTES)
    while at < table.record_bytes:
        prefetch_write(<const uint8_t *>record + at)
        at += LINE_BYTES

cdef inline uint64_t table_record(const table_t *table, const record_t *record) noexcept nogil:
    """Which record of the table it is, as `table_at` takes it."""
    return <uint64_t>(<const uint8_t *>record - table.records) // table.record_bytes

cdef inline uint64_t table_home(const table_t *table, uint64_t mixed) noexcept nogil:
    """The index slot at which the search for a number begins (fast range reduction)."""
    return high_product_u64(mixed, table.index_slots)

cdef inline uint64_t table_next(const table_t *table, uint64_t slot) noexcept nogil:
    """The index slot at which the search goes on."""
    return slot + 1 if slot + 1 < table.index_slots else 0

cdef inline record_t *table_guess(
    const table_t *table, uint64_t slot, uint64_t mixed
) noexcept nogil:
    """The first record from an index slot on whose tag agrees; NULL when there is none.

    Nearly always the number's own, without a look at the record itself: prefetch it, then compare
    its key and take `table_find` where it is another's.
    """
    cdef uint64_t entry, moves, at
    while True:
        moves, at = load_acquire_u64(table.index_moves), slot
        while True:
            entry = load_acquire_u64(&table.index[at])
            if entry == 0:
                break
            if entry >> 32 == mixed & 0xffffffffULL:
                return table_at(table, (entry & 0xffffffffULL) - 1)
            at = table_next(table, at)
        if load_relaxed_u64(table.index_moves) == moves:
            return NULL  # else it may have been passed: a few looks, as moves come few at a time

cdef inline record_t *table_find(const table_t *table, uint64_t number) noexcept nogil:
    """The record of a number; NULL when it has none."""
    cdef uint64_t mixed = number_mix(number)
    cdef uint64_t home = table_home(table, mixed)
    cdef uint64_t entry, moves, at
    cdef record_t *record
    while True:
        moves, at = load_acquire_u64(table.index_moves), home
        while True:
            entry = load_acquire_u64(&table.index[at])
            if entry == 0:
                break
            record = table_at(table, (entry & 0xffffffffULL) - 1)
            if entry >> 32 == mixed & 0xffffffffULL and record_is_of(record, number):
                return record
            at = table_next(table, at)
        if load_relaxed_u64(table.index_moves) == moves:
            return NULL  # else it may have been passed: a few looks, as moves come few at a time
