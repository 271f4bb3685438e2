"""The table: an index of open addressing over the mixed number, and records that never move.

Thread safety: only the keeper adds numbers and writes headers (`control.pyx`); any process reads.
Invariants: a record belongs to its number until the table is rebuilt; the index is at most half
full, so a search ends; an index entry appears after its record is whole.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from ringfence.engine.memory.atomic cimport (
    fence_acquire,
    high_product_u64,
    load_acquire_u64,
    load_relaxed_u32,
    load_relaxed_u64,
    prefetch_write,
)
from ringfence.engine.memory.record cimport (
    GENERATION_ONE,
    HEADER_READS_MAX,
    NUMBER_BITS,
    NUMBER_MASK,
    OBSERVED_HOURS_SHIFT,
    REASON_MASK,
    SINCE_SHIFT,
    STATE_HELD,
    STATE_MASK,
    STATE_QUARANTINED,
    STATE_RESERVED,
    record_t,
)

cdef enum:
    LINE_BYTES = 64

ctypedef struct table_t:
    uint64_t *index
    uint64_t index_slots
    uint8_t *records
    const uint64_t *numbers  # how many records belong to a number
    uint32_t ring_entries
    uint32_t record_bytes

ctypedef struct header_t:
    # One settled look at a record's header.
    uint64_t number
    uint32_t pool
    uint32_t state
    int64_t since
    int64_t quarantined_at
    int64_t observed_since
    int64_t override_at
    uint32_t reason

ctypedef struct header_bytes_t:
    # A row of HEADER (control.pyx): the fields of a record's header as a command leaves them.
    uint64_t key
    uint64_t control
    uint32_t quarantined_at
    uint32_t override_at
    uint32_t origin
    uint32_t spare

cdef inline void header_fill(
    uint64_t key, uint64_t control, uint32_t quarantined_at, uint32_t override_at, uint32_t origin,
    header_t *header,
) noexcept nogil:
    header.number = key & NUMBER_MASK
    header.pool = <uint32_t>(key >> NUMBER_BITS)
    header.state = <uint32_t>(control & STATE_MASK)
    header.since = <int64_t>(control >> SINCE_SHIFT)
    header.quarantined_at = quarantined_at
    header.override_at = override_at
    header.observed_since = quarantined_at + <int64_t>(origin >> OBSERVED_HOURS_SHIFT) * 3600
    header.reason = origin & REASON_MASK

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
    """The record at a position."""
    return <record_t *>(table.records + at * table.record_bytes)

cdef inline void record_prefetch(const table_t *table, const record_t *record) noexcept nogil:
    """Fetches a record's lines, all at once."""
    cdef uint32_t at = 2 * LINE_BYTES  # the first two are always there
    prefetch_write(record)
    prefetch_write(<const uint8_t *>record + LINE_BYTES)
    while at < table.record_bytes:
        prefetch_write(<const uint8_t *>record + at)
        at += LINE_BYTES

cdef inline uint64_t table_position(const table_t *table, const record_t *record) noexcept nogil:
    """Which record of the table it is."""
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
    cdef uint64_t entry
    while True:
        entry = load_acquire_u64(&table.index[slot])
        if entry == 0:
            return NULL
        if entry >> 32 == mixed & 0xffffffffULL:
            return table_at(table, (entry & 0xffffffffULL) - 1)
        slot = table_next(table, slot)

cdef inline record_t *table_find(const table_t *table, uint64_t number) noexcept nogil:
    """The record of a number; NULL when it has none."""
    cdef uint64_t mixed = number_mix(number)
    cdef uint64_t slot = table_home(table, mixed)
    cdef uint64_t entry
    cdef record_t *record
    while True:
        entry = load_acquire_u64(&table.index[slot])
        if entry == 0:
            return NULL
        record = table_at(table, (entry & 0xffffffffULL) - 1)
        if entry >> 32 == mixed & 0xffffffffULL and record_is_of(record, number):
            return record
        slot = table_next(table, slot)

cdef inline bint header_read(const record_t *record, header_t *header) noexcept nogil:
    """Takes a settled look at a header; False when it kept changing."""
    cdef uint64_t control, key
    cdef uint32_t quarantined_at, override_at, origin
    cdef int look
    for look in range(HEADER_READS_MAX):
        control = load_acquire_u64(&record.control)
        if control & GENERATION_ONE:
            continue
        key = load_relaxed_u64(&record.key)
        quarantined_at = load_relaxed_u32(&record.quarantined_at)
        override_at = load_relaxed_u32(&record.override_at)
        origin = load_relaxed_u32(&record.origin)
        fence_acquire()
        if load_relaxed_u64(&record.control) != control:
            continue
        header_fill(key, control, quarantined_at, override_at, origin, header)
        return True
    return False

cdef inline bint state_is_tracked(uint32_t state) noexcept nogil:
    """Whether events for numbers in this state are kept."""
    return state == STATE_QUARANTINED or state == STATE_HELD or state == STATE_RESERVED
