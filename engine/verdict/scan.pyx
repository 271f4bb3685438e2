"""The scanner's sweep: every record evaluated once, in steps, summed up and compared.

It reads shared memory only: headers and rings as any query does, and the verdicts seen, which
belong to the caller. All that it writes is the caller's own, or new.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

import numpy as np

from ringfence.engine.verdict.evaluate cimport (
    LOOK_DONE,
    LOOK_STALE,
    look_t,
    number_t,
    record_evaluate,
    view_t,
)
from ringfence.engine.memory.record cimport (
    NUMBER_BITS,
    POOLS_MAX,
    STATE_EMPTY,
    STATE_FREE,
    record_t,
)
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.verdict.sweep cimport (
    CLEAN_AT_MOST,
    VERDICTS,
    candidate_t,
    expect_sooner,
    expected_day,
    is_on_its_way,
)
from ringfence.engine.table.table cimport table_at, table_find, table_t
from ringfence.engine.verdict.verdict cimport VERDICT_CLEAN
from ringfence.engine.verdict.view cimport View

from ringfence.engine.verdict.sweep_sums import (
    CANDIDATE,
    CHANGE,
    FORECAST_DAYS,
    ScanStep,
    SweepSums,
)

cdef enum:
    DAYS = 400  # FORECAST_DAYS

ctypedef struct change_t:
    # A row of CHANGE.
    uint64_t key
    uint32_t record
    uint8_t previous
    uint8_t current
    uint16_t spare

ctypedef struct step_t:
    uint64_t at  # the record to look at next
    uint64_t end
    int64_t now
    uint64_t *by_verdict
    uint64_t *overdue
    uint32_t *forecast
    uint32_t *next_clean_at
    const uint8_t *seen  # NULL = changes are not asked for
    candidate_t *clean
    uint64_t clean_found
    change_t *changes
    uint64_t changes_found
    uint64_t changes_max


cdef enum:
    RECORDS_A_STEP = 1 << 19


cdef class TableScan:
    """Sweeps of one thread over a segment."""

    cdef readonly Segment segment
    cdef object _hold  # a view of the mapping: it cannot close under the scan
    cdef View view

    def __cinit__(self, Segment segment not None):
        self.segment = segment
        self._hold = segment.view()
        self.view = View(segment)

    def step(
        self, uint64_t first, *, int64_t now, uint64_t records_max, sums, seen=None,
        uint64_t changes_max=65_536,
    ):
        cdef uint64_t[:, ::1] by_verdict = sums.by_verdict
        cdef uint64_t[::1] overdue = sums.overdue
        cdef uint32_t[:, ::1] forecast = sums.forecast
        cdef uint32_t[::1] next_clean_at = sums.next_clean_at
        cdef const uint8_t[::1] seen_cells
        cdef uint64_t numbers = self.segment.numbers
        cdef step_t step
        if by_verdict.shape[0] < POOLS_MAX or forecast.shape[1] != DAYS:
            raise ValueError(f"sums: forecast days={forecast.shape[1]}, bound={DAYS}")
        step.at = first
        step.end = first + min(records_max, numbers - first) if first < numbers else first
        step.now = now
        step.by_verdict = &by_verdict[0, 0]
        step.overdue = &overdue[0]
        step.forecast = &forecast[0, 0]
        step.next_clean_at = &next_clean_at[0]
        step.seen = NULL
        step.changes_max = 1  # of none
        if seen is not None:
            seen_cells = seen
            if <uint64_t>seen_cells.shape[0] < step.end:
                raise ValueError(f"seen: length={seen_cells.shape[0]}, bound={step.end}")
            if changes_max == 0:
                raise ValueError("changes_max: value=0, bound=1 or more")
            step.seen = &seen_cells[0]
            step.changes_max = changes_max
        clean = np.empty(step.end - first + 1, CANDIDATE)
        changes = np.empty(min(step.changes_max, step.end - first) + 1, CHANGE)
        cdef uint8_t[::1] clean_cells = clean.view(np.uint8)
        cdef uint8_t[::1] change_cells = changes.view(np.uint8)
        step.clean = <candidate_t *>&clean_cells[0]
        step.clean_found = 0
        step.changes = <change_t *>&change_cells[0]
        step.changes_found = 0
        _run(self.view, &step)
        return ScanStep(step.at, clean[:step.clean_found], changes[:step.changes_found])

    def count(self, *, int64_t now):
        sums = SweepSums()
        cdef uint64_t at = 0
        while at < self.segment.numbers:
            at = self.step(at, now=now, records_max=RECORDS_A_STEP, sums=sums).end
        return sums

    def find(self, numbers):
        cdef const uint64_t[::1] asked = numbers
        places = np.empty(asked.shape[0], np.int64)
        cdef int64_t[::1] cells = places
        cdef Py_ssize_t i
        with nogil:
            for i in range(asked.shape[0]):
                cells[i] = _place(&self.view.c.table, asked[i])
        return places


cdef int64_t _place(const table_t *table, uint64_t number) noexcept nogil:
    cdef const record_t *record = table_find(table, number)
    if record == NULL:
        return -1
    return (<const uint8_t *>record - table.records) // table.record_bytes


cdef int _run(View view, step_t *step) except -1:
    """Goes to the end of the step, with newer settings where a record asks for them."""
    cdef look_t look = LOOK_DONE
    cdef uint64_t stale_at = <uint64_t>-1
    while True:
        view.refresh()
        with nogil:
            look = _look_on(&view.c, step)
        if look != LOOK_STALE:
            return 0
        if step.at == stale_at:
            step.at += 1  # no settings have its pool: left out, as one that never settles
        stale_at = step.at


cdef look_t _look_on(const view_t *view, step_t *step) noexcept nogil:
    cdef const record_t *record
    cdef number_t number
    cdef look_t look
    while step.at < step.end and step.changes_found < step.changes_max:
        record = table_at(&view.table, step.at)
        look = record_evaluate(view, record, step.now, step.now, False, &number)
        if look == LOOK_STALE:
            return LOOK_STALE
        if look == LOOK_DONE:  # else it kept changing: the next sweep meets it
            _add(step, &number)
            if step.seen != NULL:
                _compare(step, &number)
        step.at += 1
    return LOOK_DONE


cdef inline void _add(step_t *step, const number_t *number) noexcept nogil:
    """Sums a number up; keeps it when it is clean."""
    cdef uint32_t pool = number.header.pool
    cdef uint32_t verdict = number.evaluation.verdict
    cdef int64_t clean_at = number.evaluation.clean_at
    cdef int64_t day
    cdef candidate_t *row
    if number.header.state == STATE_FREE or number.header.state == STATE_EMPTY:
        return
    step.by_verdict[pool * VERDICTS + verdict] += 1
    step.overdue[pool] += number.evaluation.overdue
    if verdict == VERDICT_CLEAN:
        row = &step.clean[step.clean_found]
        row.number = number.header.number
        row.clean_at = <uint32_t>min(clean_at, <int64_t>CLEAN_AT_MOST)
        row.pool = <uint16_t>pool
        row.spare = 0
        step.clean_found += 1
    elif is_on_its_way(number):
        day = expected_day(number, step.now, DAYS)
        if day < DAYS:
            step.forecast[pool * DAYS + day] += 1
        expect_sooner(number, step.now, &step.next_clean_at[pool])


cdef inline void _compare(step_t *step, const number_t *number) noexcept nogil:
    """Keeps a record whose verdict is not the one that was seen."""
    cdef uint8_t previous = step.seen[step.at]
    cdef change_t *row
    if previous == number.evaluation.verdict:
        return
    row = &step.changes[step.changes_found]
    row.key = number.header.number | <uint64_t>number.header.pool << NUMBER_BITS
    row.record = <uint32_t>step.at
    row.previous = previous
    row.current = <uint8_t>number.evaluation.verdict
    row.spare = 0
    step.changes_found += 1
