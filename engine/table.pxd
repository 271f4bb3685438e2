"""The table: open addressing over the mixed number, linear probing, records that never move.

Thread safety: only the keeper claims slots and writes headers (`control.pyx`); any process reads.
Invariants: a slot belongs to its number until the table is rebuilt; a probe ends at an empty key.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from ringfence.engine.atomic cimport (
    fence_acquire,
    high_product_u64,
    load_acquire_u64,
    load_relaxed_u32,
    load_relaxed_u64,
)
from ringfence.engine.record cimport (
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

ctypedef struct table_t:
    uint8_t *records
    uint64_t slots
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

cdef inline uint64_t number_mix(uint64_t number) noexcept nogil:
    """Spreads numbers over 64 bits (the finalizer of MurmurHash3, a bijection)."""
    number ^= number >> 33
    number *= 0xff51afd7ed558ccdULL
    number ^= number >> 33
    number *= 0xc4ceb9fe1a85ec53ULL
    number ^= number >> 33
    return number

cdef inline record_t *table_at(const table_t *table, uint64_t slot) noexcept nogil:
    """The record in a slot."""
    return <record_t *>(table.records + slot * table.record_bytes)

cdef inline uint64_t table_home(const table_t *table, uint64_t number) noexcept nogil:
    """The slot at which the search for a number begins (fast range reduction)."""
    return high_product_u64(number_mix(number), table.slots)

cdef inline record_t *table_find_from(
    const table_t *table, uint64_t slot, uint64_t number
) noexcept nogil:
    """The record of a number, searched from its home slot; NULL when it has none."""
    cdef uint64_t probes, key
    cdef record_t *record
    for probes in range(table.slots):
        record = table_at(table, slot)
        key = load_acquire_u64(&record.key)
        if key & NUMBER_MASK == number:
            return record
        if key == 0:
            return NULL
        slot += 1
        if slot == table.slots:
            slot = 0
    return NULL

cdef inline record_t *table_find(const table_t *table, uint64_t number) noexcept nogil:
    """The record of a number; NULL when it has none."""
    return table_find_from(table, table_home(table, number), number)

cdef inline bint header_read(const record_t *record, header_t *header) noexcept nogil:
    """Takes a settled look at a header; False when it kept changing."""
    cdef uint64_t control, key
    cdef uint32_t origin
    cdef int look
    for look in range(HEADER_READS_MAX):
        control = load_acquire_u64(&record.control)
        if control & GENERATION_ONE:
            continue
        key = load_relaxed_u64(&record.key)
        header.quarantined_at = load_relaxed_u32(&record.quarantined_at)
        header.override_at = load_relaxed_u32(&record.override_at)
        origin = load_relaxed_u32(&record.origin)
        fence_acquire()
        if load_relaxed_u64(&record.control) != control:
            continue
        header.number = key & NUMBER_MASK
        header.pool = <uint32_t>(key >> NUMBER_BITS)
        header.state = <uint32_t>(control & STATE_MASK)
        header.since = <int64_t>(control >> SINCE_SHIFT)
        header.observed_since = (
            header.quarantined_at + <int64_t>(origin >> OBSERVED_HOURS_SHIFT) * 3600
        )
        header.reason = origin & REASON_MASK
        return True
    return False

cdef inline bint state_is_tracked(uint32_t state) noexcept nogil:
    """Whether events for numbers in this state are kept."""
    return state == STATE_QUARANTINED or state == STATE_HELD or state == STATE_RESERVED
