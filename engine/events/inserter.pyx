"""Inserting events into a table: no lock, no allocation per event, no Python object.

The class only turns arguments into pointers and results into Python values; the work is in
`insert.pxd`, on `table.pxd`, `ring.pxd` and `callers.pxd`.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from ringfence.engine.events.callers cimport callers_t
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
from ringfence.engine.events.mark cimport caller_key_t
from ringfence.engine.events.segment_callers cimport segment_callers
from ringfence.engine.events.wire cimport EventDecoder
from ringfence.engine.memory.atomic cimport (
    add_relaxed_u64,
    fence_sequential,
    load_acquire_u64,
    store_relaxed_u64,
    store_release_u64,
)
from ringfence.engine.memory.record cimport KIND_MOST, counters_t, segment_t
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.table.segment_table cimport segment_table
from ringfence.engine.table.table cimport table_t

from ringfence.engine.answers import Inserted


cdef class EventInserter:
    """What one process inserts, and counts, in a segment."""

    cdef readonly Segment segment
    cdef object _hold  # a view of the mapping: it cannot close under the pointers
    cdef table_t _table
    cdef callers_t _callers
    cdef caller_key_t _caller_key
    cdef bint _has_caller_key
    cdef counters_t *_counters
    cdef const segment_t *_head

    def __cinit__(self, Segment segment not None, *, caller_key=None, int worker=0):
        self.segment = segment
        self._hold = segment.view()
        self._table = segment_table(segment)
        self._callers = segment_callers(segment)
        self._counters = segment.worker_counters(worker)
        self._head = segment.head()
        store_release_u64(&self._counters.inserting, 0)  # who was this worker before has died
        self._has_caller_key = caller_key is not None
        if self._has_caller_key:
            if len(caller_key) != 16:
                raise ValueError(f"caller_key: bytes={len(caller_key)}, bound=16")
            memcpy(&self._caller_key, <const char *>caller_key, 16)

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
                _begin(self._head, self._counters)
                batch_repeat(
                    &self._table, &self._callers, <const uint64_t *>&taken[0],
                    taken.shape[0] // TAKEN_BYTES, &done,
                )
                store_release_u64(&self._counters.inserting, 0)
        return done.accepted

    def set_journalled(self, uint64_t position):
        store_release_u64(&self._counters.journalled, position)


cdef inline void _begin(const segment_t *head, counters_t *counters) noexcept nogil:
    """From here on no record that is found becomes another number's: see slots.pyx."""
    store_relaxed_u64(&counters.inserting, load_acquire_u64(&head.epoch))
    fence_sequential()  # before the index is read


cdef object _insert(EventInserter inserter, const events_t *events, uint64_t *taken, int64_t now):
    cdef inserted_t done
    if not inserter._has_caller_key:
        raise ValueError("without a caller key only `repeat` inserts")
    memset(&done, 0, sizeof(done))
    done.taken = taken
    with nogil:
        _begin(inserter._head, inserter._counters)
        batch_insert(
            &inserter._table, &inserter._caller_key, &inserter._callers, events, now, &done
        )
        store_release_u64(&inserter._counters.inserting, 0)
    add_relaxed_u64(&inserter._counters.batches, 1)
    add_relaxed_u64(&inserter._counters.accepted, done.accepted)
    add_relaxed_u64(&inserter._counters.untracked, done.untracked)
    add_relaxed_u64(&inserter._counters.rejected, done.rejected)
    add_relaxed_u64(&inserter._counters.spray, done.spray)
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
