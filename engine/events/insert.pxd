"""Inserting a batch: check and hash all, prefetch all, then update all, a block at a time.

Thread safety: any number of processes at once. The only writes are a ring's compare-and-swap, a
number's events_total, the caller table with its map (callers.pxd) and the worker's own counters.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from ringfence.engine.memory.atomic cimport (
    add_relaxed_u32,
    load_sequential_u64,
    prefetch_read,
    prefetch_write,
    swap_if_equal_u64,
)
from ringfence.engine.events.callers cimport (
    caller_bucket,
    caller_claim,
    caller_note,
    caller_prefetch,
    callers_t,
    entry_can_be_spray,
    entry_is_spray,
    mark_is_spray,
    mark_set_spray,
)
from ringfence.engine.events.mark cimport caller_key_t, caller_mark
from ringfence.engine.memory.record cimport (
    KIND_MOST,
    MARK_SHIFT,
    NUMBER_LEAST,
    NUMBER_MOST,
    TIME_SHIFT,
    record_t,
)
from ringfence.engine.table.entry cimport entry_mark
from ringfence.engine.table.ring cimport ring_insert
from ringfence.engine.table.stretch cimport stretches_insert, stretches_prefetch_insert
from ringfence.engine.table.header cimport header_read, header_t, state_is_tracked
from ringfence.engine.table.table cimport (
    number_mix,
    record_is_of,
    record_prefetch,
    record_spans,
    table_find,
    table_guess,
    table_home,
    table_t,
    unlikely,
)

cdef enum:
    BLOCK_EVENTS = 32  # as many cache misses as a core keeps in flight, and then some
    REJECTIONS_MAX = 10
    FUTURE_S_MAX = 300
    REJECT_CALLED = 1
    REJECT_KIND = 2
    REJECT_TIME = 3
    TAKEN_BYTES = 16
    ENTRY_SPRAY = 0x80  # in an entry that was taken: its caller was spray, it took no slot

ctypedef struct events_t:
    # A batch: four arrays of one length.
    const uint64_t *called
    const uint64_t *caller
    const uint32_t *occurred_at
    const int32_t *kind
    uint64_t count

ctypedef struct inserted_t:
    uint64_t accepted
    uint64_t untracked
    uint64_t rejected
    uint64_t spray  # of the accepted ones
    uint64_t *taken  # room for two words for each event, or NULL
    uint64_t rejected_at[REJECTIONS_MAX]
    uint8_t rejected_for[REJECTIONS_MAX]

cdef inline uint8_t event_reject(const events_t *events, uint64_t i, int64_t now) noexcept nogil:
    """Why an event cannot be taken; 0 when it can."""
    if not NUMBER_LEAST <= events.called[i] <= NUMBER_MOST:
        return REJECT_CALLED
    if not 1 <= events.kind[i] <= KIND_MOST:
        return REJECT_KIND
    if events.occurred_at[i] == 0 or <int64_t>events.occurred_at[i] > now + FUTURE_S_MAX:
        return REJECT_TIME
    return 0

cdef inline bint event_is_tracked(
    const record_t *record, uint32_t occurred_at, uint64_t *control
) noexcept nogil:
    """Whether an event of that time is kept; yes while the header does not settle. Gives the
    control word that says so, 0 = none does.
    """
    cdef header_t header
    if not header_read(record, &header):
        control[0] = 0
        return True
    control[0] = header.control
    return state_is_tracked(header.state) and occurred_at >= header.quarantined_at

cdef inline void entry_insert(
    const table_t *table, record_t *record, uint64_t entry, uint64_t control
) noexcept nogil:
    """Joins an entry to the ring, unless its number leaves meanwhile: the keeper may have emptied
    the ring before the entry came, and then it goes again. Sequential like the keeper's fence: an
    insert that still sees the header of before is one that the keeper's wipe comes after. In the
    number's next life the entry is not found, as that begins with an empty ring.
    """
    cdef header_t header
    cdef uint64_t *slot
    if unlikely(table.stretches != 0):
        slot = stretches_insert(record, record_spans(table, record), table.stretches, entry)
    else:
        slot = ring_insert(&record.entries[0], table.ring_entries, entry)
    if slot == NULL or load_sequential_u64(&record.control) == control:
        return
    if header_read(record, &header) and not state_is_tracked(header.state):
        swap_if_equal_u64(slot, entry, 0)

cdef inline void entry_take(
    const table_t *table, const callers_t *callers, record_t *record, uint64_t number,
    uint64_t entry, uint64_t control, bint repeated, inserted_t *out,
) noexcept nogil:
    """Accepts an entry: it joins the ring, or takes no slot because its caller is spray."""
    cdef bint is_spray = repeated and entry & ENTRY_SPRAY
    entry &= ~ENTRY_SPRAY
    if not repeated:
        is_spray = entry_is_spray(entry, callers.spray_map)
    if is_spray:
        entry |= ENTRY_SPRAY
        out.spray += 1
    else:
        entry_insert(table, record, entry, control)
    add_relaxed_u32(&record.events_total, 1)
    if out.taken != NULL:
        out.taken[2 * out.accepted] = number
        out.taken[2 * out.accepted + 1] = entry
    out.accepted += 1

cdef inline void block_insert(
    const table_t *table, const callers_t *callers, const uint64_t *numbers,
    const uint64_t *entries, uint64_t size, bint repeated, inserted_t *out,
) noexcept nogil:
    """Inserts up to BLOCK_EVENTS entries, those that are not 0, and counts what became of them.

    The entry of a spray caller is accepted and takes no slot: by the map, after the call itself
    was noted, or, when `repeated`, as the entry says. With `out.taken` the accepted ones are
    written there, each as its number and its entry.
    """
    cdef uint64_t i
    cdef uint32_t mark
    cdef uint64_t mixed[BLOCK_EVENTS]
    cdef record_t *records[BLOCK_EVENTS]
    cdef uint64_t controls[BLOCK_EVENTS]
    cdef bint noted[BLOCK_EVENTS]  # its call is one for the caller table
    cdef uint64_t *kept[BLOCK_EVENTS]  # and there its caller has these entries
    for i in range(size):
        mixed[i] = number_mix(numbers[i])
        prefetch_read(&table.index[table_home(table, mixed[i])])
        noted[i] = False
        if entries[i] and entry_mark(entries[i]) and entry_can_be_spray(entries[i]):
            noted[i] = callers.numbers != 0
            caller_prefetch(callers, entry_mark(entries[i]))
    for i in range(size):
        records[i] = NULL
        if entries[i] == 0:
            continue
        records[i] = table_guess(table, table_home(table, mixed[i]), mixed[i])
        if records[i] == NULL:
            out.untracked += 1
        else:
            record_prefetch(table, records[i])
    if unlikely(table.stretches != 0):
        for i in range(size):
            if records[i] != NULL:
                stretches_prefetch_insert(
                    records[i], record_spans(table, records[i]), table.stretches
                )
    for i in range(size):
        if records[i] == NULL:
            continue
        if not record_is_of(records[i], numbers[i]):
            records[i] = table_find(table, numbers[i])
        if records[i] == NULL or not event_is_tracked(
            records[i], <uint32_t>(entries[i] >> TIME_SHIFT), &controls[i]
        ):
            records[i] = NULL
            out.untracked += 1
            continue
        if callers.numbers == 0:  # nothing more to wait for
            entry_take(
                table, callers, records[i], numbers[i], entries[i], controls[i], repeated, out
            )
        elif noted[i]:
            mark = entry_mark(entries[i])
            kept[i] = caller_claim(
                caller_bucket(callers, mark), mark, <uint32_t>(entries[i] >> TIME_SHIFT)
            )
            if kept[i] != NULL:
                prefetch_write(kept[i])
    if callers.numbers == 0:
        return
    for i in range(size):
        if records[i] == NULL:
            continue
        mark = entry_mark(entries[i])
        if noted[i] and repeated and entries[i] & ENTRY_SPRAY:
            mark_set_spray(callers, mark)
        elif noted[i] and kept[i] != NULL and not mark_is_spray(callers.spray_map, mark):
            caller_note(callers, kept[i], mark, mixed[i], <uint32_t>(entries[i] >> TIME_SHIFT))
        entry_take(table, callers, records[i], numbers[i], entries[i], controls[i], repeated, out)

cdef inline void batch_insert(
    const table_t *table, const caller_key_t *key, const callers_t *callers,
    const events_t *events, int64_t now, inserted_t *out,
) noexcept nogil:
    """Inserts every event that can be taken and whose number is tracked; counts all."""
    cdef uint64_t begin = 0, i, size, at
    cdef uint64_t entries[BLOCK_EVENTS]
    cdef uint8_t rejected
    while begin < events.count:
        size = min(<uint64_t>BLOCK_EVENTS, events.count - begin)
        for i in range(size):
            at = begin + i
            rejected = event_reject(events, at, now)
            if rejected:
                if out.rejected < REJECTIONS_MAX:
                    out.rejected_at[out.rejected] = at
                    out.rejected_for[out.rejected] = rejected
                out.rejected += 1
                entries[i] = 0
                continue
            entries[i] = (
                <uint64_t>events.occurred_at[at] << TIME_SHIFT
                | caller_mark(key, events.caller[at]) << MARK_SHIFT
                | <uint64_t>events.kind[at]
            )
        block_insert(table, callers, &events.called[begin], &entries[0], size, False, out)
        begin += size

cdef inline void batch_repeat(
    const table_t *table, const callers_t *callers, const uint64_t *taken, uint64_t count,
    inserted_t *out,
) noexcept nogil:
    """Inserts what a batch has taken once more: the decisions of then, the numbers of now."""
    cdef uint64_t begin = 0, i, size
    cdef uint64_t numbers[BLOCK_EVENTS]
    cdef uint64_t entries[BLOCK_EVENTS]
    while begin < count:
        size = min(<uint64_t>BLOCK_EVENTS, count - begin)
        for i in range(size):
            numbers[i] = taken[2 * (begin + i)]
            entries[i] = taken[2 * (begin + i) + 1]
        block_insert(table, callers, &numbers[0], &entries[0], size, True, out)
        begin += size
