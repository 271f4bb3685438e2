"""Slots: records whose numbers have left, on their way to other numbers.

    FREE, found by its number  ->  FREE, left the index  ->  EMPTY  ->  another number's
                 part                    (a wait)         empty        TableWriter.apply

A query that holds a record meanwhile sees another number in the settled header and looks again. An
insert could not take back what it did to the ring of another number; so it says in its worker's
counters in which epoch it began, and an EMPTY slot is made of what left the index in an epoch only
when no insert is under way that began in it or before:

1. An insert stores the epoch, then reads the index; the keeper takes numbers out of the index
   first, then reads who inserts; both have a sequential fence between. So either the insert does
   not find them, or the keeper sees that it is under way.
2. The epoch is raised after that, so inserts that begin later are not waited for. One that read
   the epoch of before and stores it late is waited for in vain, once.

A worker that is stopped in mid-insert holds this up, and so does one that died there, until the one
that replaces it begins: its `EventInserter` says that none is under way.

Nothing of this is kept on disk. A new keeper looks at all headers: a FREE record that its number
does not lead to has left the index, and is waited for anew.

`tests/support/reuse_model.py` says this and index.pxd as a model that is explored in all orders.
"""

from array import array
from collections import deque

import numpy as np

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ringfence.engine.memory.atomic cimport (
    fence_release,
    fence_sequential,
    load_acquire_u64,
    load_relaxed_u64,
    prefetch_read,
    store_relaxed_u32,
    store_relaxed_u64,
    store_release_u64,
)
from ringfence.engine.memory.record cimport (
    GENERATION_MASK,
    GENERATION_ONE,
    NUMBER_MASK,
    SINCE_SHIFT,
    STATE_EMPTY,
    STATE_FREE,
    STATE_MASK,
    WORKERS_MAX,
    counters_t,
    record_t,
)
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.table.index cimport index_remove
from ringfence.engine.table.segment_table cimport segment_table
from ringfence.engine.table.table cimport (
    record_spans,
    table_at,
    table_find,
    table_record,
    table_t,
)

cdef enum:
    AHEAD_RECORDS = 16
    WORD_BITS = 64


cdef class Slots:
    """What room a table has. Belongs to its TableWriter, and is used by the same thread."""

    def __cinit__(self, Segment segment not None):
        """Looks at all headers, without the GIL."""
        self.segment = segment
        self._hold = segment.view()
        self._table = segment_table(segment)
        self._head = segment.head()
        self._free_bits = np.zeros(self._head.capacity_numbers // WORD_BITS + 1, np.uint64)
        self._free = self._free_bits
        self._leaving = deque()
        cdef uint64_t numbers = self._head.numbers, lost_count = 0, empty_count = 0
        lost, empty = np.empty(numbers, np.uint32), np.empty(numbers, np.uint32)
        cdef uint32_t[::1] lost_cells = lost, empty_cells = empty
        with nogil:
            self.free = _look_at_all(
                &self._table, numbers, self._free, lost_cells, &lost_count, empty_cells,
                &empty_count,
            )
        self._empty = array("I", empty[:empty_count].tobytes())
        self.leaving = lost_count
        if lost_count:
            self._leaving.append((self._raise_epoch(), lost[:lost_count].copy()))

    @property
    def in_use(self):
        return self._head.numbers - self.free - self.leaving - len(self._empty)

    @property
    def ready(self):
        return len(self._empty) + self._head.capacity_numbers - self._head.numbers

    def part(self, uint64_t most):
        cdef uint64_t words = self._free.shape[0], looked = 0, found = 0, at
        cdef record_t *record
        records = np.empty(min(most, self.free), np.uint32)
        cdef uint32_t[::1] cells = records
        most = len(records)
        while found < most and looked < words:
            if self._free[self._free_at] == 0:
                self._free_at = (self._free_at + 1) % words
                looked += 1
                continue
            at = self._free_at * WORD_BITS + _lowest_bit(self._free[self._free_at])
            record = table_at(&self._table, at)
            self.came_back(at)  # of the FREE ones that are found
            index_remove(&self._table, self._head, record.key & NUMBER_MASK, at)
            cells[found] = <uint32_t>at
            found += 1
        if found:
            self.leaving += found
            self._leaving.append((self._raise_epoch(), records[:found]))
        return found

    def empty(self, uint64_t most):
        cdef const uint32_t[::1] cells
        cdef uint64_t i, done = 0
        while self._leaving and done < most:
            epoch, records = self._leaving[0]
            if self._inserting_since(epoch):
                break
            cells = records[: most - done]
            for i in range(<uint64_t>cells.shape[0]):
                self._clear(table_at(&self._table, cells[i]))
            self._empty.frombytes(records[: most - done].tobytes())
            done += cells.shape[0]
            if <uint64_t>len(records) > <uint64_t>cells.shape[0]:
                self._leaving[0] = (epoch, records[cells.shape[0]:])
            else:
                self._leaving.popleft()
        self.leaving -= done
        return done

    def left_after(self, uint64_t since):
        cdef uint64_t at, found = 0, numbers = self._head.numbers
        cdef const record_t *record
        most = self.free + self.leaving
        left, moments = np.empty(most, np.uint64), np.empty(most, np.uint32)
        cdef uint64_t[::1] number_cells = left
        cdef uint32_t[::1] since_cells = moments
        with nogil:
            for at in range(numbers):
                record = table_at(&self._table, at)
                if record.control & STATE_MASK != STATE_FREE:
                    continue
                if record.control >> SINCE_SHIFT > since:
                    number_cells[found] = record.key & NUMBER_MASK
                    since_cells[found] = <uint32_t>(record.control >> SINCE_SHIFT)
                    found += 1
        return left[:found], moments[:found]

    def held_up_by(self):
        return self._inserting_since(self._leaving[0][0]) if self._leaving else []

    def _raise_epoch(self):
        """The epoch that ends now: inserts that find what left the index are of it or before."""
        cdef uint64_t epoch = self._head.epoch
        fence_sequential()
        store_release_u64(&self._head.epoch, epoch + 1)
        return epoch

    def _inserting_since(self, uint64_t epoch):
        """The workers that have begun to insert in an epoch, or before, and are not done."""
        cdef const counters_t *counters
        cdef uint64_t inserting
        workers = []
        for worker in range(WORKERS_MAX):
            counters = self.segment.worker_counters(worker)
            inserting = load_acquire_u64(&counters.inserting)
            if 0 < inserting <= epoch:
                workers.append(worker)
        return workers

    cdef void left(self, uint64_t at) noexcept:
        """A record has become FREE, and its number leads to it."""
        self._free[at // WORD_BITS] |= <uint64_t>1 << at % WORD_BITS
        self.free += 1

    cdef void came_back(self, uint64_t at) noexcept:
        """It is not, or does not, any more."""
        self._free[at // WORD_BITS] &= ~(<uint64_t>1 << at % WORD_BITS)
        self.free -= 1

    cdef int64_t take(self) noexcept:
        """A slot for a number, not in the index; -1 = there is none. The last one comes first."""
        if self._empty:
            return <int64_t>self._empty.pop()
        if self._head.numbers < self._head.capacity_numbers:
            return <int64_t>self._head.numbers
        return -1

    cdef void _clear(self, record_t *record) noexcept:
        """Makes a FREE record EMPTY. Its ring is empty, but for what inserts left that died."""
        cdef uint64_t control = (record.control + GENERATION_ONE) & GENERATION_MASK
        cdef uint32_t i
        store_relaxed_u64(&self._head.written, table_record(&self._table, record) + 1)
        fence_release()  # before the header is odd
        store_relaxed_u64(&record.control, STATE_FREE | control)
        fence_release()  # before what is under it
        for i in range(self._table.ring_entries):
            store_relaxed_u64(&record.entries[i], 0)
        for i in range(self._table.stretches):
            store_relaxed_u64(record_spans(&self._table, record) + i, 0)
        store_relaxed_u32(&record.quarantined_at, 0)
        store_relaxed_u32(&record.override_at, 0)
        store_relaxed_u32(&record.events_total, 0)
        store_relaxed_u32(&record.origin, 0)
        store_release_u64(&record.key, 0)
        store_release_u64(
            &record.control, STATE_EMPTY | (control + GENERATION_ONE) & GENERATION_MASK
        )


cdef inline uint64_t _lowest_bit(uint64_t word) noexcept nogil:
    cdef uint64_t bit = 0
    while not word >> bit & 1:
        bit += 1
    return bit


cdef uint64_t _look_at_all(
    const table_t *table, uint64_t numbers, uint64_t[::1] free, uint32_t[::1] lost,
    uint64_t *lost_count, uint32_t[::1] empty, uint64_t *empty_count,
) noexcept nogil:
    """Marks FREE records that are found, counts them, and lists the rest and the EMPTY ones."""
    cdef uint64_t at, found = 0, state
    cdef const record_t *record
    for at in range(numbers):
        if at + AHEAD_RECORDS < numbers:
            prefetch_read(table_at(table, at + AHEAD_RECORDS))
        record = table_at(table, at)
        state = load_relaxed_u64(&record.control) & STATE_MASK
        if state == STATE_EMPTY:
            empty[empty_count[0]] = <uint32_t>at
            empty_count[0] += 1
        elif state == STATE_FREE:
            if table_find(table, record.key & NUMBER_MASK) == record:
                free[at // WORD_BITS] |= <uint64_t>1 << at % WORD_BITS
                found += 1
            else:
                lost[lost_count[0]] = <uint32_t>at
                lost_count[0] += 1
    return found
