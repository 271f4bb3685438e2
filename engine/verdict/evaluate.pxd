"""Evaluating a record of the table: a settled header, a sorted ring, its pool's policy."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from ringfence.engine.memory.atomic cimport load_relaxed_u32
from ringfence.engine.verdict.coverage cimport pool_coverage_t
from ringfence.engine.memory.record cimport (
    HEADER_READS_MAX,
    POOLS_MAX,
    RING_ENTRIES_MAX,
    STATE_EMPTY,
    STATE_FREE,
    pool_t,
    record_t,
    settings_t,
)
from ringfence.engine.table.ring cimport ring_read_sorted
from ringfence.engine.table.stretch cimport stretches_read_sorted
from ringfence.engine.table.header cimport header_read, header_stands, header_t
from ringfence.engine.table.table cimport (
    record_is_of,
    record_spans,
    table_find,
    table_t,
    unlikely,
)
from ringfence.engine.verdict.verdict cimport VERDICT_UNTRACKED, evaluation_t, verdict_evaluate

ctypedef struct view_t:
    # What verdicts need: the shared table and map, this process's copy of the settings.
    table_t table
    const uint8_t *spray_map
    settings_t *settings
    pool_coverage_t coverage[POOLS_MAX]

ctypedef struct number_t:
    # One number, looked at once.
    header_t header
    uint32_t events_total
    uint32_t entries
    uint64_t ring[RING_ENTRIES_MAX]
    evaluation_t evaluation

cdef enum look_t:
    LOOK_DONE = 0
    LOOK_UNSETTLED = 1  # the header kept changing
    LOOK_STALE = 2  # its pool came after this process's copy of the settings
    LOOK_NOTHING = 3  # it is not in the table

cdef inline look_t record_evaluate(
    const view_t *view, const record_t *record, int64_t t, int64_t now, bint explain,
    number_t *number,
) noexcept nogil:
    """Looks at a record and evaluates it at `t`: the ring is of the header, or it looks again."""
    cdef int look
    for look in range(HEADER_READS_MAX):
        if not header_read(record, &number.header):
            return LOOK_UNSETTLED
        ring_look(view, record, number)
        number.events_total = load_relaxed_u32(&record.events_total)
        if header_stands(record, &number.header):
            return number_evaluate(view, t, now, explain, number)
    return LOOK_UNSETTLED

cdef inline look_t number_look(
    const view_t *view, uint64_t asked, const record_t *guess, int64_t t, int64_t now,
    bint explain, number_t *number,
) noexcept nogil:
    """Looks for a number, first at the record that it may have (NULL = at none), and evaluates it
    at `t`. Once a record is another number's by the time it is looked at, it looks again.
    """
    cdef const record_t *record = guess
    cdef look_t done
    cdef int look
    if guess != NULL and not record_is_of(guess, asked):
        record = table_find(&view.table, asked)
    for look in range(HEADER_READS_MAX):
        if record == NULL:
            return LOOK_NOTHING
        done = record_evaluate(view, record, t, now, explain, number)
        if done == LOOK_UNSETTLED or number.header.number == asked:
            return done
        record = table_find(&view.table, asked)
    return LOOK_UNSETTLED

cdef inline look_t ring_of(
    const view_t *view, uint64_t asked, number_t *number
) noexcept nogil:
    """Reads the ring of a number; an empty one of a number that is not in the table. The header of
    `number` stays as it is.
    """
    cdef const record_t *record
    cdef header_t header
    cdef int look
    for look in range(HEADER_READS_MAX):
        record = table_find(&view.table, asked)
        if record != NULL and not header_read(record, &header):
            return LOOK_UNSETTLED
        ring_look(view, record, number)
        if record == NULL or header.number == asked and header_stands(record, &header):
            return LOOK_DONE
    return LOOK_UNSETTLED

cdef inline void ring_look(
    const view_t *view, const record_t *record, number_t *number
) noexcept nogil:
    """Reads the ring of a record (NULL = an empty ring)."""
    number.entries = 0
    if record == NULL:
        return
    if unlikely(view.table.stretches != 0):
        number.entries = stretches_read_sorted(
            record, record_spans(&view.table, record), view.table.stretches, &number.ring[0]
        )
    else:
        number.entries = ring_read_sorted(
            &record.entries[0], view.table.ring_entries, &number.ring[0]
        )

cdef inline look_t number_evaluate(
    const view_t *view, int64_t t, int64_t now, bint explain, number_t *number
) noexcept nogil:
    """Evaluates a header and a ring at `t`."""
    cdef const pool_t *pool
    if number.header.state == STATE_EMPTY or number.header.state == STATE_FREE:
        number.evaluation.verdict = VERDICT_UNTRACKED
        number.evaluation.clean_at = 0
        number.evaluation.overdue = False
        return LOOK_DONE
    if number.header.pool >= POOLS_MAX:
        return LOOK_STALE
    pool = &view.settings.pools[number.header.pool]
    if pool.name[0] == 0:
        return LOOK_STALE
    verdict_evaluate(
        &number.header, &number.ring[0], number.entries, view.table.ring_entries,
        &view.settings.policies[pool.policy], view.spray_map,
        &view.coverage[number.header.pool], t, now, explain, &number.evaluation,
    )
    return LOOK_DONE
