"""The header of a record: a settled look at it, and what its bits say.

Thread safety: only the keeper writes headers (`writer.pyx`), under a generation that is odd
meanwhile; any process reads.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ringfence.engine.memory.atomic cimport (
    fence_acquire,
    load_acquire_u64,
    load_relaxed_u32,
    load_relaxed_u64,
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

ctypedef struct header_t:
    # One settled look at a record's header.
    uint64_t control
    uint64_t number
    uint32_t pool
    uint32_t state
    int64_t since
    int64_t quarantined_at
    int64_t observed_since
    int64_t override_at
    uint32_t reason

ctypedef struct header_bytes_t:
    # A row of HEADER (header_rows.py): the fields of a record's header as a command leaves them.
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
    header.control = control
    header.number = key & NUMBER_MASK
    header.pool = <uint32_t>(key >> NUMBER_BITS)
    header.state = <uint32_t>(control & STATE_MASK)
    header.since = <int64_t>(control >> SINCE_SHIFT)
    header.quarantined_at = quarantined_at
    header.override_at = override_at
    header.observed_since = quarantined_at + <int64_t>(origin >> OBSERVED_HOURS_SHIFT) * 3600
    header.reason = origin & REASON_MASK

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

cdef inline bint header_stands(const record_t *record, const header_t *header) noexcept nogil:
    """Whether a header is still the one that was read, after what was read of its ring since."""
    fence_acquire()
    return load_relaxed_u64(&record.control) == header.control

cdef inline bint state_is_tracked(uint32_t state) noexcept nogil:
    """Whether events for numbers in this state are kept."""
    return state == STATE_QUARANTINED or state == STATE_HELD or state == STATE_RESERVED
