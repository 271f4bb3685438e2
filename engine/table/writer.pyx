"""The control plane of the table: the one writer of headers. Plain code that may raise and log.

Thread safety: one TableWriter a segment at a time, used by one thread: the keeper. Readers need
no care: a header changes under an odd generation.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

import numpy as np

from ringfence.engine.memory.atomic cimport (
    fence_release,
    fence_sequential,
    load_relaxed_u64,
    prefetch_write,
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
    record_t,
    segment_t,
)
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.table.header cimport header_bytes_t, header_read, header_t, state_is_tracked
from ringfence.engine.table.index cimport index_add, index_mend
from ringfence.engine.table.segment_table cimport segment_table
from ringfence.engine.table.slots cimport Slots
from ringfence.engine.table.table cimport (
    number_mix,
    record_spans,
    table_at,
    table_find,
    table_guess,
    table_home,
    table_record,
    table_t,
)

from ringfence.engine.answers import Header
from ringfence.engine.table.header_rows import HEADER as _HEADER, distinct, quarantine_headers
from ringfence.engine.words import (
    FORMER_LIFE_S as _FORMER_LIFE_S,
    TRACKED as _TRACKED,
    Outcome,
    State,
)

cdef enum:
    # words.Outcome says the same to Python.
    OUTCOME_QUARANTINED = 0
    OUTCOME_ALREADY = 1
    OUTCOME_TOO_EARLY = 2
    AHEAD_ROWS = 32


class TableFull(Exception):
    """There is no slot for another number: says how many are asked for, free and the capacity."""

    def __init__(self, wanted, free, capacity_numbers):
        super().__init__(
            f"table full: new numbers={wanted}, free={free}, capacity={capacity_numbers}"
        )
        self.wanted = wanted
        self.free = free
        self.capacity_numbers = capacity_numbers


class SlotsHeld(Exception):
    """There is room for numbers and no slot yet: inserts may still hold those that became free."""

    def __init__(self, wanted, ready, workers):
        super().__init__(
            f"slots that became free are still held: new numbers={wanted}, ready={ready},"
            f" held up by {', '.join(f'worker-{worker}' for worker in workers) or 'nobody'}"
        )
        self.wanted = wanted
        self.ready = ready
        self.workers = workers


cdef class TableWriter:
    """Writes headers; there is one writer per segment at a time: the keeper."""

    cdef readonly Segment segment
    cdef readonly Slots slots
    cdef object _hold
    cdef table_t _table
    cdef segment_t *_head
    cdef int64_t _former_life_s

    def __cinit__(self, Segment segment not None):
        self.segment = segment
        self._hold = segment.view()
        self._table = segment_table(segment)
        self._head = segment.head()
        self._former_life_s = _FORMER_LIFE_S
        self._repair()
        self.slots = Slots(segment)

    def _repair(self):
        """Finishes what a writer left that died in mid-change: of the index, and of the header that
        was written last.

        An odd control word still has the old state, and a change from a tracked state writes no
        field in halves, so the old state holds; a slot that was being given to a number is EMPTY
        again. A number that had its slot and was not in the index, or not counted, is.
        """
        cdef uint64_t at, control, state
        cdef record_t *record
        index_mend(&self._table, self._head)
        if self._head.written == 0:
            return
        at = self._head.written - 1
        record = table_at(&self._table, at)
        control = load_relaxed_u64(&record.control)
        state = control & STATE_MASK
        if state == STATE_EMPTY or record.key == 0:
            state = STATE_EMPTY
            store_relaxed_u64(&record.key, 0)
        if control & GENERATION_ONE:
            control = _next_generation(control)
        store_release_u64(&record.control, control & ~STATE_MASK | state)
        if state == STATE_EMPTY:
            return
        if state != STATE_FREE and table_find(&self._table, record.key & NUMBER_MASK) != record:
            index_add(&self._table, record.key & NUMBER_MASK, at)
        if at == self._head.numbers:
            store_release_u64(&self._head.numbers, at + 1)

    def quarantine(self, numbers, *, pool, quarantined_at, observed_since, reason, now):
        outcomes = self.judge(numbers, quarantined_at)
        chosen = outcomes == Outcome.QUARANTINED
        self.apply(
            quarantine_headers(
                numbers[chosen], pool=pool, quarantined_at=quarantined_at[chosen],
                observed_since=observed_since[chosen], reason=reason[chosen], now=now,
            )
        )
        return outcomes

    def judge(self, numbers, quarantined_at):
        cdef const uint64_t[::1] number_cells = numbers
        cdef const uint32_t[::1] begin_cells = quarantined_at
        cdef uint64_t count = number_cells.shape[0], i
        if <uint64_t>begin_cells.shape[0] != count:
            raise ValueError(
                f"quarantined_at: length={begin_cells.shape[0]}, bound={count} as numbers"
            )
        outcomes = np.empty(count, dtype=np.uint8)
        cdef uint8_t[::1] outcome_cells = outcomes
        for i in range(count):
            if i % AHEAD_ROWS == 0:
                self._look_ahead(&number_cells[i], min(<uint64_t>AHEAD_ROWS, count - i))
            outcome_cells[i] = self._judge(
                table_find(&self._table, number_cells[i]), begin_cells[i]
            )
        # A number that stands twice is quarantined by the first.
        first = np.zeros(count, dtype=np.bool_)
        first[np.unique(numbers, return_index=True)[1]] = True
        outcomes[(outcomes == Outcome.QUARANTINED) & ~first] = Outcome.ALREADY_QUARANTINED
        return outcomes

    cdef uint8_t _judge(self, const record_t *record, uint32_t quarantined_at) except *:
        cdef header_t header
        if record == NULL:
            return OUTCOME_QUARANTINED
        if not header_read(record, &header):
            raise RuntimeError("a header is odd under its only writer")
        if state_is_tracked(header.state):
            return OUTCOME_ALREADY
        if quarantined_at < header.since + self._former_life_s:
            return OUTCOME_TOO_EARLY
        return OUTCOME_QUARANTINED

    def new_numbers(self, numbers):
        cdef const uint64_t[::1] cells = numbers
        cdef uint64_t count = cells.shape[0], i
        cdef const record_t *record
        new = np.empty(count, dtype=np.bool_)
        cdef uint8_t[::1] new_cells = new.view(np.uint8)
        for i in range(count):
            if i % AHEAD_ROWS == 0:
                self._look_ahead(&cells[i], min(<uint64_t>AHEAD_ROWS, count - i))
            record = table_find(&self._table, cells[i])
            new_cells[i] = record == NULL or record.control & STATE_MASK == STATE_FREE
        return distinct(np.asarray(numbers)[new])

    def _make_room(self, headers):
        """Sees to it that there are slots for these headers; raises TableFull."""
        cdef uint64_t room = self._head.capacity_numbers - self.slots.in_use, wanted
        if <uint64_t>len(headers) <= min(room, <uint64_t>self.slots.ready):
            return  # whatever they are
        stay = headers[headers["control"] & STATE_MASK != STATE_FREE]
        wanted = len(self.new_numbers(np.ascontiguousarray(stay["key"] & NUMBER_MASK)))
        if wanted > room:
            raise TableFull(wanted, room, self._head.capacity_numbers)
        if wanted > <uint64_t>self.slots.ready:
            self.slots.part(wanted)
            self.slots.empty(wanted)
        if wanted > <uint64_t>self.slots.ready:
            raise SlotsHeld(wanted, self.slots.ready, self.slots.held_up_by())

    def apply(self, headers):
        cdef const header_bytes_t[::1] rows
        cdef record_t *record
        cdef uint64_t numbers[AHEAD_ROWS]
        cdef uint64_t number
        cdef size_t count, ahead, i, j
        if headers.dtype != _HEADER:
            raise ValueError(f"headers: dtype={headers.dtype}, bound={_HEADER}")
        self._make_room(headers)
        rows = headers
        count = <size_t>len(headers)
        for i in range(count):
            if i % AHEAD_ROWS == 0:
                ahead = min(<size_t>AHEAD_ROWS, count - i)
                for j in range(ahead):
                    numbers[j] = rows[i + j].key & NUMBER_MASK
                self._look_ahead(numbers, ahead)
            number = numbers[i % AHEAD_ROWS]
            record = table_find(&self._table, number)
            if record != NULL:
                self._write(record, &rows[i])
            elif rows[i].control & STATE_MASK != STATE_FREE:  # else it is gone for good
                self._give_slot(number, &rows[i])

    cdef void _give_slot(self, uint64_t number, const header_bytes_t *row) noexcept:
        """A number that is not in the table comes into it; there is room."""
        cdef uint64_t at = <uint64_t>self.slots.take()
        self._write(table_at(&self._table, at), row)
        index_add(&self._table, number, at)
        if at == self._head.numbers:
            store_release_u64(&self._head.numbers, at + 1)

    cdef void _look_ahead(self, const uint64_t *numbers, size_t count) noexcept:
        """Fetches what the next few numbers need from memory, all at once."""
        cdef uint64_t mixed[AHEAD_ROWS]
        cdef const record_t *record
        cdef size_t i
        for i in range(count):
            mixed[i] = number_mix(numbers[i])
            prefetch_write(&self._table.index[table_home(&self._table, mixed[i])])
        for i in range(count):
            record = table_guess(&self._table, table_home(&self._table, mixed[i]), mixed[i])
            if record != NULL:
                prefetch_write(record)

    cdef void _write(self, record_t *record, const header_bytes_t *row) noexcept:
        """Writes a header; a number that begins or ends being tracked has an empty ring."""
        cdef bint tracked_before = state_is_tracked(record.control & STATE_MASK)
        cdef bint tracked = state_is_tracked(row.control & STATE_MASK)
        cdef bint free_before = record.control & STATE_MASK == STATE_FREE
        cdef bint free = row.control & STATE_MASK == STATE_FREE
        cdef bint begins = tracked and (
            not tracked_before or record.quarantined_at != row.quarantined_at
        )
        store_relaxed_u64(&self._head.written, table_record(&self._table, record) + 1)
        fence_release()  # before the header is odd
        store_relaxed_u64(&record.control, _next_generation(record.control))
        fence_release()  # before what is under it
        if begins:  # nobody inserts yet, and who read the ring before looks again
            self._wipe(record)
            store_relaxed_u32(&record.events_total, 0)
        _write_header(record, row)
        if not tracked:  # after it, and nobody inserts any more: it is nobody's business
            fence_sequential()  # who inserted and has not seen the header did so before this
            self._wipe(record)
        if free and not free_before:
            self.slots.left(table_record(&self._table, record))
        elif free_before and not free:
            self.slots.came_back(table_record(&self._table, record))

    cdef record_t *_record(self, uint64_t number) except NULL:
        cdef record_t *record = table_find(&self._table, number)
        if record == NULL:
            raise KeyError(number)
        return record

    def earliest_quarantine(self, uint64_t number):
        header = self.header(number)
        if header is None or header.state in _TRACKED:
            return 0
        return header.since + _FORMER_LIFE_S

    def header(self, uint64_t number):
        cdef const record_t *record = table_find(&self._table, number)
        cdef header_t header
        if record == NULL:
            return None
        if not header_read(record, &header):
            raise RuntimeError("a header is odd under its only writer")
        return Header(
            State(header.state), header.pool, header.quarantined_at, header.observed_since,
            header.reason, header.since, header.override_at,
        )

    def set_state(self, uint64_t number, state, *, uint32_t since):
        row = self.header_row(number)
        row["control"] = <uint64_t>int(State(state)) | <uint64_t>since << SINCE_SHIFT
        self.apply(row)

    def set_override(self, uint64_t number, uint32_t override_at):
        row = self.header_row(number)
        row["override_at"] = override_at
        self.apply(row)

    def header_row(self, uint64_t number):
        self._record(number)
        return self.header_rows(np.array([number], dtype=np.uint64))

    def header_rows(self, numbers):
        cdef const uint64_t[::1] asked = numbers
        cdef header_bytes_t[::1] rows
        cdef const record_t *record
        cdef size_t count = asked.shape[0], i
        headers = np.zeros(count, _HEADER)
        rows = headers
        for i in range(count):
            if i % AHEAD_ROWS == 0:
                self._look_ahead(&asked[i], min(<size_t>AHEAD_ROWS, count - i))
            record = table_find(&self._table, asked[i])
            if record != NULL:
                rows[i].key = record.key
                rows[i].control = record.control & ~GENERATION_MASK
                rows[i].quarantined_at = record.quarantined_at
                rows[i].override_at = record.override_at
                rows[i].origin = record.origin
        return headers

    def set_applied(self, uint64_t position):
        store_release_u64(&self._head.applied, position)

    cdef void _wipe(self, record_t *record) noexcept:
        """Empties the ring of a number whose events nobody inserts now."""
        cdef uint32_t i
        for i in range(self._table.ring_entries):
            store_relaxed_u64(&record.entries[i], 0)
        fence_release()  # spans only once their slots are empty
        for i in range(self._table.stretches):
            store_relaxed_u64(record_spans(&self._table, record) + i, 0)


cdef uint64_t _next_generation(uint64_t control) noexcept:
    return control & ~GENERATION_MASK | (control + GENERATION_ONE) & GENERATION_MASK


cdef void _write_header(record_t *record, const header_bytes_t *row) noexcept:
    """Writes the fields of an odd header and settles it; `control` gives state and since."""
    cdef uint64_t control = row.control & ~GENERATION_MASK | record.control & GENERATION_MASK
    store_relaxed_u32(&record.quarantined_at, row.quarantined_at)
    store_relaxed_u32(&record.origin, row.origin)
    store_relaxed_u32(&record.override_at, row.override_at)
    store_release_u64(&record.key, row.key)
    store_release_u64(&record.control, _next_generation(control))
