"""The data plane: insert, look up, evaluate. No lock, no allocation per event, no Python object.

The class only turns arguments into pointers and results into Python values; the work is in
`insert.pxd` (events), `evaluate.pxd` and `verdict.pxd` (queries), on `table.pxd` and `ring.pxd`.
"""

import hashlib

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from ringfence.engine.memory.atomic cimport add_relaxed_u64, prefetch_read, store_release_u64
from ringfence.engine.verdict.evaluate cimport (
    LOOK_DONE,
    LOOK_STALE,
    header_evaluate,
    look_t,
    number_t,
    record_evaluate,
    view_t,
)
from ringfence.engine.events.insert cimport (
    FUTURE_S_MAX,
    REJECT_CALLED,
    REJECT_KIND,
    REJECTIONS_MAX,
    TAKEN_BYTES,
    batch_insert,
    batch_repeat,
    events_t,
    inserted_t,
)
from ringfence.engine.memory.record cimport (
    GENERATION_MASK,
    KIND_MOST,
    NUMBER_LEAST,
    NUMBER_MASK as C_NUMBER_MASK,
    NUMBER_MOST,
    RECORDS_OFFSET,
    STATE_EMPTY,
    STATE_FREE,
    pool_t,
    record_t,
)
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.verdict.sweep cimport select_numbers, selection_t
from ringfence.engine.table.table cimport (
    header_bytes_t,
    header_fill,
    number_mix,
    record_is_of,
    record_prefetch,
    table_find,
    table_guess,
    table_home,
    table_t,
)
from ringfence.engine.verdict.verdict cimport (
    VERDICT_UNTRACKED,
    entry_is_spray,
    entry_kind,
    entry_mark,
    entry_time,
)
from ringfence.engine.verdict.view cimport View
from ringfence.engine.events.wire cimport EventDecoder

from ringfence.engine.answers import (
    Explanation,
    Inserted,
    RecentEvent,
    RuleResult,
    Unsettled,
)
from ringfence.engine.prefix import Prefix
from ringfence.engine.words import DisconnectReason, EventKind, State, Verdict

NUMBER_MASK = C_NUMBER_MASK

cdef enum:
    BLOCK_NUMBERS = 32
    CLEAN_AT_MOST = 0xffffffff


cdef class Engine:
    """The data plane of one process over a segment."""

    def __cinit__(self, Segment segment not None, *, caller_key=None, int worker=0):
        self.segment = segment
        self._hold = segment.view()
        self.view = View(segment)
        self.callers = segment.caller_table()
        self.counters = segment.worker_counters(worker)
        self.has_caller_key = caller_key is not None
        if self.has_caller_key:
            if len(caller_key) != 16:
                raise ValueError(f"caller_key: bytes={len(caller_key)}, bound=16")
            memcpy(&self.caller_key, <const char *>caller_key, 16)

    def insert(self, called, caller, occurred_at, kind, *, int64_t now):
        cdef const uint64_t[::1] called_cells = called
        cdef const uint64_t[::1] caller_cells = caller
        cdef const uint32_t[::1] time_cells = occurred_at
        cdef const int32_t[::1] kind_cells = kind
        cdef events_t events
        events.count = called_cells.shape[0]
        lengths = {
            called_cells.shape[0], caller_cells.shape[0], time_cells.shape[0], kind_cells.shape[0]
        }
        if len(lengths) > 1:
            raise ValueError(
                "called, caller, occurred_at, kind: lengths="
                f"{called_cells.shape[0]}, {caller_cells.shape[0]}, {time_cells.shape[0]}, "
                f"{kind_cells.shape[0]}, bound=equal"
            )
        if events.count == 0:
            return Inserted(0, 0, 0, [])
        events.called = &called_cells[0]
        events.caller = &caller_cells[0]
        events.occurred_at = &time_cells[0]
        events.kind = &kind_cells[0]
        return _insert(self, &events, NULL, now)

    def insert_decoded(self, EventDecoder batch not None, *, int64_t now):
        cdef events_t events
        events.called = batch.called
        events.caller = batch.caller
        events.occurred_at = batch.occurred_at
        events.kind = batch.kind
        events.count = batch.events
        inserted = _insert(self, &events, batch.taken, now)
        batch.drop_events()
        return inserted

    def repeat(self, const uint8_t[::1] taken not None):
        cdef inserted_t done
        if taken.shape[0] % TAKEN_BYTES:
            raise ValueError(f"taken: bytes={taken.shape[0]}, bound=a multiple of {TAKEN_BYTES}")
        memset(&done, 0, sizeof(done))
        if taken.shape[0]:
            with nogil:
                batch_repeat(
                    &self.view.c.table, &self.callers, <const uint64_t *>&taken[0],
                    taken.shape[0] // TAKEN_BYTES, &done,
                )
        return done.accepted

    def set_journalled(self, uint64_t position):
        store_release_u64(&self.counters.journalled, position)

    def check(self, numbers, *, int64_t now, int64_t at=0):
        cdef const uint64_t[::1] asked = numbers
        cdef uint64_t count = asked.shape[0], i
        verdicts = np.empty(count, dtype=np.uint8)
        clean_at = np.empty(count, dtype=np.uint32)
        cdef uint8_t[::1] verdict_cells = verdicts
        cdef uint32_t[::1] clean_cells = clean_at
        cdef look_t look = LOOK_DONE
        for i in range(count):
            if not NUMBER_LEAST <= asked[i] <= NUMBER_MOST:
                raise ValueError(f"numbers[{i}]: value={asked[i]}, bound=7 to 15 digits")
        if count == 0:
            return verdicts, clean_at
        for _ in range(2):
            self.view.refresh()
            with nogil:
                look = _check(
                    &self.view.c, &asked[0], count, at if at else now, now,
                    &verdict_cells[0], &clean_cells[0],
                )
            if look != LOOK_STALE:
                break
        if look != LOOK_DONE:
            raise Unsettled("a number kept changing")
        return verdicts, clean_at

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
        if record == NULL:
            return None
        for _ in range(2):
            self.view.refresh()
            look = record_evaluate(&self.view.c, record, t, now, True, &found)
            if look != LOOK_STALE:
                break
        if look != LOOK_DONE:
            raise Unsettled("the number kept changing")
        if found.header.state == STATE_FREE or found.header.state == STATE_EMPTY:
            return None
        return _explanation(self, &found, record.events_total, t)

    def select(
        self, uint64_t first, *, int64_t now, uint64_t numbers_max, uint64_t records_max,
        int pool=-1, uint32_t verdicts=0, bint overdue_only=False, str prefix="",
    ):
        cdef selection_t wanted
        cdef uint64_t found = 0, at = first
        cdef uint64_t end = min(self.segment.head().numbers, first + records_max)
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

    def records(self):
        entry = np.dtype(
            [
                ("key", "<u8"), ("control", "<u8"), ("quarantined_at", "<u4"),
                ("override_at", "<u4"), ("events_total", "<u4"), ("origin", "<u4"),
                ("entries", "<u8", (self.view.c.table.ring_entries,)),
            ]
        )
        first = RECORDS_OFFSET(self.segment.capacity_numbers)
        end = first + self.segment.numbers * self.view.c.table.record_bytes
        return np.frombuffer(self.segment.view().toreadonly()[first:end], dtype=entry)

    def digest(self):
        records = self.records()
        state = records["control"] & np.uint64(0xFF)
        tracked = records[(state >= State.QUARANTINED) & (state <= State.RESERVED)].copy()
        tracked["control"] &= ~np.uint64(GENERATION_MASK)
        tracked["events_total"] = 0
        entries = tracked["entries"]
        entries[entries >> np.uint64(32) < tracked["quarantined_at"][:, None]] = 0
        entries.sort(axis=1)
        order = np.argsort(tracked["key"] & np.uint64(C_NUMBER_MASK))
        return hashlib.sha256(tracked[order].tobytes()).digest()


cdef object _insert(Engine engine, const events_t *events, uint64_t *taken, int64_t now):
    cdef inserted_t done
    if not engine.has_caller_key:
        raise ValueError("this engine has no caller key: it can only answer queries")
    memset(&done, 0, sizeof(done))
    done.taken = taken
    with nogil:
        batch_insert(
            &engine.view.c.table, &engine.caller_key, &engine.callers, events, now, &done
        )
    add_relaxed_u64(&engine.counters.batches, 1)
    add_relaxed_u64(&engine.counters.accepted, done.accepted)
    add_relaxed_u64(&engine.counters.untracked, done.untracked)
    add_relaxed_u64(&engine.counters.rejected, done.rejected)
    add_relaxed_u64(&engine.counters.spray, done.spray)
    return Inserted(
        done.accepted, done.untracked, done.rejected,
        [
            (
                done.rejected_at[i],
                _rejection(events, done.rejected_at[i], done.rejected_for[i], now),
            )
            for i in range(min(done.rejected, <uint64_t>REJECTIONS_MAX))
        ],
        (<const char *>taken)[: done.accepted * TAKEN_BYTES] if taken != NULL else b"",
    )


cdef str _rejection(const events_t *events, uint64_t i, uint8_t reason, int64_t now):
    if reason == REJECT_CALLED:
        return f"called: value={events.called[i]}, bound=7 to 15 digits"
    if reason == REJECT_KIND:
        return f"kind: value={events.kind[i]}, bound=1 to {KIND_MOST}"
    return f"occurred_at: value={events.occurred_at[i]}, bound=1 to {now + FUTURE_S_MAX}"


cdef look_t _check(
    const view_t *view, const uint64_t *numbers, uint64_t count, int64_t t, int64_t now,
    uint8_t *verdicts, uint32_t *clean_at,
) noexcept nogil:
    cdef uint64_t begin = 0, i, size
    cdef const table_t *table = &view.table
    cdef uint64_t mixed[BLOCK_NUMBERS]
    cdef const record_t *records[BLOCK_NUMBERS]
    cdef const record_t *record
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
        for i in range(begin, begin + size):
            record = records[i - begin]
            if record != NULL and not record_is_of(record, numbers[i]):
                record = table_find(table, numbers[i])
            if record == NULL:
                verdicts[i] = VERDICT_UNTRACKED
                clean_at[i] = 0
                continue
            look = record_evaluate(view, record, t, now, False, &number)
            if look != LOOK_DONE:
                return look
            verdicts[i] = <uint8_t>number.evaluation.verdict
            clean_at[i] = <uint32_t>min(number.evaluation.clean_at, <int64_t>CLEAN_AT_MOST)
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
        header_fill(
            rows[i].key, rows[i].control, rows[i].quarantined_at, rows[i].override_at,
            rows[i].origin, &number.header,
        )
        look = header_evaluate(
            view, table_find(&view.table, number.header.number), now, now, False, &number
        )
        if look != LOOK_DONE:
            return look
        verdicts[i] = <uint8_t>number.evaluation.verdict
        clean_at[i] = <uint32_t>min(number.evaluation.clean_at, <int64_t>CLEAN_AT_MOST)
    return LOOK_DONE


cdef object _explanation(Engine engine, const number_t *number, uint32_t events_total, int64_t t):
    cdef const pool_t *pool = &engine.view.c.settings.pools[number.header.pool]
    cdef uint32_t rules = engine.view.c.settings.policies[pool.policy].rule_count
    recent = _recent(engine, number, t)
    return Explanation(
        number=number.header.number,
        verdict=Verdict(number.evaluation.verdict),
        clean_at=min(number.evaluation.clean_at, <int64_t>CLEAN_AT_MOST),
        state=State(number.header.state),
        pool=number.header.pool,
        reason=DisconnectReason(number.header.reason),
        quarantined_at=number.header.quarantined_at,
        observed_since=number.header.observed_since,
        override_at=number.header.override_at,
        overridden=number.evaluation.overridden,
        last_event_at=recent[0].occurred_at if recent else 0,
        events_total=events_total,
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


cdef list _recent(Engine engine, const number_t *number, int64_t t):
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
                    entry_is_spray(entry, engine.view.c.spray_map),
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
