"""Verdicts read from a table: of some numbers, of one explained, of those that match.

The class only turns arguments into pointers and results into Python values; the work is in
`evaluate.pxd`, `verdict.pxd` and `sweep.pxd`, on `table.pxd` and `ring.pxd`.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

import numpy as np

from ringfence.engine.events.callers cimport entry_is_spray
from ringfence.engine.memory.atomic cimport prefetch_read
from ringfence.engine.memory.record cimport (
    NUMBER_LEAST,
    NUMBER_MASK,
    NUMBER_MOST,
    STATE_EMPTY,
    STATE_FREE,
    pool_t,
    record_t,
)
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.table.entry cimport entry_kind, entry_mark, entry_time
from ringfence.engine.table.header cimport header_bytes_t, header_fill
from ringfence.engine.table.stretch cimport stretches_prefetch_read
from ringfence.engine.table.table cimport (
    number_mix,
    record_prefetch,
    record_spans,
    table_find,
    table_guess,
    table_home,
    table_t,
    unlikely,
)
from ringfence.engine.verdict.evaluate cimport (
    LOOK_DONE,
    LOOK_NOTHING,
    LOOK_STALE,
    look_t,
    number_evaluate,
    number_look,
    number_t,
    ring_of,
    view_t,
)
from ringfence.engine.verdict.sweep cimport select_numbers, selection_t
from ringfence.engine.verdict.verdict cimport VERDICT_UNTRACKED, verdict_expected
from ringfence.engine.verdict.view cimport View

from ringfence.engine.answers import Explanation, RecentEvent, RuleResult, Unsettled
from ringfence.engine.prefix import Prefix
from ringfence.engine.words import DisconnectReason, EventKind, State, Verdict

cdef enum:
    BLOCK_NUMBERS = 32
    TIME_MOST = 0xffffffff


cdef class VerdictReader:
    """What one thread asks of a segment."""

    cdef readonly Segment segment
    cdef object _hold  # a view of the mapping: it cannot close under the pointers
    cdef View view

    def __cinit__(self, Segment segment not None):
        self.segment = segment
        self._hold = segment.view()
        self.view = View(segment)

    def check(self, numbers, *, int64_t now, int64_t at=0):
        return _answers(self, numbers, now, at, False)[:2]

    def check_expected(self, numbers, *, int64_t now, int64_t at=0):
        return _answers(self, numbers, now, at, True)

    def check_as(self, headers, *, int64_t now):
        cdef const header_bytes_t[::1] rows = headers
        cdef uint64_t count = rows.shape[0]
        verdicts = np.empty(count, dtype=np.uint8)
        clean_at = np.empty(count, dtype=np.uint32)
        cdef uint8_t[::1] verdict_cells = verdicts
        cdef uint32_t[::1] clean_cells = clean_at
        if count == 0:
            return verdicts, clean_at
        self.view.refresh()
        with nogil:
            look = _check_as(
                &self.view.c, &rows[0], count, now, &verdict_cells[0], &clean_cells[0]
            )
        if look != LOOK_DONE:
            raise Unsettled("a number is of a pool that is not published")
        return verdicts, clean_at

    def explain(self, uint64_t number, *, int64_t now, int64_t at=0):
        if not NUMBER_LEAST <= number <= NUMBER_MOST:
            raise ValueError(f"number: value={number}, bound=7 to 15 digits")
        cdef const record_t *record = table_find(&self.view.c.table, number)
        cdef look_t look = LOOK_DONE
        cdef number_t found
        cdef int64_t t = at if at else now
        for _ in range(2):
            self.view.refresh()
            look = number_look(&self.view.c, number, record, t, now, True, &found)
            if look != LOOK_STALE:
                break
        if look == LOOK_NOTHING:
            return None
        if look != LOOK_DONE:
            raise Unsettled("the number kept changing")
        if found.header.state == STATE_FREE or found.header.state == STATE_EMPTY:
            return None
        return _explanation(self, &found, t)

    def select(
        self, uint64_t first, *, int64_t now, uint64_t numbers_max, uint64_t records_max,
        int pool=-1, uint32_t verdicts=0, bint overdue_only=False, str prefix="",
    ):
        cdef selection_t wanted
        cdef uint64_t found = 0, at = first
        cdef uint64_t end = min(<uint64_t>self.segment.numbers, first + records_max)
        wanted.pool = pool
        wanted.verdicts = verdicts if verdicts else 0xffff & ~(1 << VERDICT_UNTRACKED)
        wanted.overdue_only = overdue_only
        _set_prefix(&wanted, prefix)
        numbers = np.empty(numbers_max, dtype=np.uint64)
        cdef uint64_t[::1] cells = numbers
        if numbers_max == 0:
            return numbers, at
        for _ in range(2):
            self.view.refresh()
            with nogil:
                at = select_numbers(
                    &self.view.c, at, end, now, &wanted, &cells[0], numbers_max, &found
                )
            if at >= end or found == numbers_max:
                break
        return numbers[:found], at


cdef tuple _answers(VerdictReader reader, numbers, int64_t now, int64_t at, bint expected):
    """Verdicts, clean_at and expected_at; the last is not worked out unless it is asked for."""
    cdef const uint64_t[::1] asked = numbers
    cdef uint64_t count = asked.shape[0], i
    verdicts = np.empty(count, dtype=np.uint8)
    clean_at = np.empty(count, dtype=np.uint32)
    expected_at = np.empty(count if expected else 0, dtype=np.uint32)
    cdef uint8_t[::1] verdict_cells = verdicts
    cdef uint32_t[::1] clean_cells = clean_at
    cdef uint32_t[::1] expected_cells = expected_at
    cdef look_t look = LOOK_DONE
    for i in range(count):
        if not NUMBER_LEAST <= asked[i] <= NUMBER_MOST:
            raise ValueError(f"numbers[{i}]: value={asked[i]}, bound=7 to 15 digits")
    if count == 0:
        return verdicts, clean_at, expected_at
    for _ in range(2):
        reader.view.refresh()
        with nogil:
            look = _check(
                &reader.view.c, &asked[0], count, at if at else now, now,
                &verdict_cells[0], &clean_cells[0], &expected_cells[0] if expected else NULL,
            )
        if look != LOOK_STALE:
            break
    if look != LOOK_DONE:
        raise Unsettled("a number kept changing")
    return verdicts, clean_at, expected_at


cdef look_t _check(
    const view_t *view, const uint64_t *numbers, uint64_t count, int64_t t, int64_t now,
    uint8_t *verdicts, uint32_t *clean_at, uint32_t *expected_at,
) noexcept nogil:
    cdef uint64_t begin = 0, i, size
    cdef const table_t *table = &view.table
    cdef uint64_t mixed[BLOCK_NUMBERS]
    cdef const record_t *records[BLOCK_NUMBERS]
    cdef number_t number
    cdef look_t look
    while begin < count:
        size = min(<uint64_t>BLOCK_NUMBERS, count - begin)
        for i in range(size):
            mixed[i] = number_mix(numbers[begin + i])
            prefetch_read(&table.index[table_home(table, mixed[i])])
        for i in range(size):
            records[i] = table_guess(table, table_home(table, mixed[i]), mixed[i])
            if records[i] != NULL:
                record_prefetch(table, records[i])
        _fetch_stretches(table, &records[0], size)
        for i in range(begin, begin + size):
            look = number_look(view, numbers[i], records[i - begin], t, now, False, &number)
            if look == LOOK_NOTHING:
                verdicts[i] = VERDICT_UNTRACKED
                clean_at[i] = 0
                if expected_at != NULL:
                    expected_at[i] = 0
                continue
            if look != LOOK_DONE:
                return look
            verdicts[i] = <uint8_t>number.evaluation.verdict
            clean_at[i] = <uint32_t>min(number.evaluation.clean_at, <int64_t>TIME_MOST)
            if expected_at != NULL:
                expected_at[i] = <uint32_t>min(
                    verdict_expected(&number.evaluation, t), <int64_t>TIME_MOST
                )
        begin += size
    return LOOK_DONE


cdef look_t _check_as(
    const view_t *view, const header_bytes_t *rows, uint64_t count, int64_t now,
    uint8_t *verdicts, uint32_t *clean_at,
) noexcept nogil:
    cdef uint64_t i
    cdef number_t number
    cdef look_t look
    for i in range(count):
        if i % BLOCK_NUMBERS == 0:
            _look_ahead(view, &rows[i], min(<uint64_t>BLOCK_NUMBERS, count - i))
        header_fill(
            rows[i].key, rows[i].control, rows[i].quarantined_at, rows[i].override_at,
            rows[i].origin, &number.header,
        )
        look = ring_of(view, number.header.number, &number)
        if look == LOOK_DONE:
            look = number_evaluate(view, now, now, False, &number)
        if look != LOOK_DONE:
            return look
        verdicts[i] = <uint8_t>number.evaluation.verdict
        clean_at[i] = <uint32_t>min(number.evaluation.clean_at, <int64_t>TIME_MOST)
    return LOOK_DONE


cdef void _look_ahead(
    const view_t *view, const header_bytes_t *rows, uint64_t count
) noexcept nogil:
    """Fetches the index and the records of the next few headers, all at once."""
    cdef const table_t *table = &view.table
    cdef uint64_t mixed[BLOCK_NUMBERS]
    cdef const record_t *records[BLOCK_NUMBERS]
    cdef uint64_t i
    for i in range(count):
        mixed[i] = number_mix(rows[i].key & NUMBER_MASK)
        prefetch_read(&table.index[table_home(table, mixed[i])])
    for i in range(count):
        records[i] = table_guess(table, table_home(table, mixed[i]), mixed[i])
        if records[i] != NULL:
            record_prefetch(table, records[i])
    _fetch_stretches(table, &records[0], count)


cdef void _fetch_stretches(
    const table_t *table, const record_t **records, uint64_t count
) noexcept nogil:
    """Fetches the rings of records that have spans, which are here by now."""
    cdef uint64_t i
    if unlikely(table.stretches != 0):
        for i in range(count):
            if records[i] != NULL:
                stretches_prefetch_read(
                    records[i], record_spans(table, records[i]), table.stretches
                )


cdef object _explanation(VerdictReader reader, const number_t *number, int64_t t):
    cdef const pool_t *pool = &reader.view.c.settings.pools[number.header.pool]
    cdef uint32_t rules = reader.view.c.settings.policies[pool.policy].rule_count
    recent = _recent(reader, number, t)
    return Explanation(
        number=number.header.number,
        verdict=Verdict(number.evaluation.verdict),
        clean_at=min(number.evaluation.clean_at, <int64_t>TIME_MOST),
        expected_at=min(verdict_expected(&number.evaluation, t), <int64_t>TIME_MOST),
        state=State(number.header.state),
        pool=number.header.pool,
        reason=DisconnectReason(number.header.reason),
        quarantined_at=number.header.quarantined_at,
        observed_since=number.header.observed_since,
        override_at=number.header.override_at,
        overridden=number.evaluation.overridden,
        last_event_at=recent[0].occurred_at if recent else 0,
        events_total=number.events_total,
        rules=[
            RuleResult(
                number.evaluation.rules[i].value,
                number.evaluation.rules[i].broken,
                number.evaluation.rules[i].saturated,
            )
            for i in range(rules)
        ],
        coverage=(
            number.evaluation.covered_s / <double>number.evaluation.interval_s
            if number.evaluation.interval_s
            else 1.0
        ),
        overdue=number.evaluation.overdue,
        recent=recent,
    )


cdef list _recent(VerdictReader reader, const number_t *number, int64_t t):
    cdef uint64_t entry
    recent = []
    tags = {0: 0}
    for i in range(<int>number.entries - 1, -1, -1):
        entry = number.ring[i]
        if number.header.quarantined_at <= entry_time(entry) <= t:
            recent.append(
                RecentEvent(
                    entry_time(entry),
                    EventKind(entry_kind(entry)),
                    tags.setdefault(entry_mark(entry), len(tags)),
                    entry_is_spray(entry, reader.view.c.spray_map),
                )
            )
    return recent


cdef int _set_prefix(selection_t *wanted, str prefix) except -1:
    """Wants numbers whose digits begin with `prefix`; every number for an empty one."""
    wanted.prefix = wanted.prefix_end = wanted.least = 0
    if prefix:
        *_, (longest_first, longest_last) = Prefix(prefix).ranges
        wanted.prefix = longest_first
        wanted.prefix_end = longest_last + 1
        wanted.least = int(prefix)
    return 0
