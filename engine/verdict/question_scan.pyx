"""The sweep that answers questions: one look at each record serves all of them.

A question is a pool and a prefix. Prefixes either contain one another or have nothing in common, so
the questions of a pool that a number answers are one of them and those around it: it is found by a
binary search, and each row knows the next one around it.

It reads shared memory only; all that it writes is its own, or new.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

import numpy as np

from ringfence.engine.memory.atomic cimport load_acquire_u64
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
    NUMBER_MASK,
    NUMBER_MOST,
    POOLS_MAX,
    STATE_EMPTY,
    STATE_FREE,
    record_t,
)
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.table.table cimport table_at
from ringfence.engine.verdict.sweep cimport (
    CLEAN_AT_MOST,
    candidate_t,
    expect_sooner,
    is_on_its_way,
)
from ringfence.engine.verdict.verdict cimport VERDICT_CLEAN
from ringfence.engine.verdict.view cimport View

from ringfence.engine.verdict.question_rows import question_rows
from ringfence.engine.verdict.sweep_sums import CANDIDATE, ScanStep

cdef enum:
    PREFIXES_MAX = 16  # of one number: of 0 to 15 digits

ctypedef struct question_t:
    # A row of QUESTION.
    uint64_t first
    uint64_t end
    uint64_t least
    int32_t around
    uint32_t question

ctypedef struct step_t:
    uint64_t at  # the record to look at next
    uint64_t end
    int64_t now
    const question_t *rows
    const uint32_t *begins
    uint32_t *next_clean_at
    candidate_t *clean
    uint64_t clean_found
    uint64_t clean_max


cdef class QuestionScan:
    """One sweep, of one thread, over a segment."""

    cdef readonly Segment segment
    cdef object _hold  # a view of the mapping: it cannot close under the scan
    cdef View view
    cdef object _rows, _begins
    cdef readonly object next_clean_at

    def __cinit__(self, Segment segment not None, questions):
        self.segment = segment
        self._hold = segment.view()
        self.view = View(segment)
        self._rows, self._begins = question_rows(questions, pools_max=POOLS_MAX)
        self.next_clean_at = np.zeros(len(questions), np.uint32)

    def step(self, uint64_t first, *, int64_t now, uint64_t records_max):
        cdef uint64_t numbers = self.segment.head().numbers
        cdef const unsigned char[::1] rows = self._rows.view(np.uint8)
        cdef const uint32_t[::1] begins = self._begins
        cdef uint32_t[::1] next_clean_at = self.next_clean_at
        cdef step_t step
        step.at = first
        step.end = first + min(records_max, numbers - first) if first < numbers else first
        step.now = now
        step.rows = <const question_t *>&rows[0]
        step.begins = &begins[0]
        step.next_clean_at = &next_clean_at[0]
        step.clean_max = step.end - first + PREFIXES_MAX
        clean = np.empty(step.clean_max, CANDIDATE)
        cdef unsigned char[::1] clean_cells = clean.view(np.uint8)
        step.clean = <candidate_t *>&clean_cells[0]
        step.clean_found = 0
        _run(self.view, &step)
        return ScanStep(step.at, clean[:step.clean_found])


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
    cdef uint64_t key
    cdef look_t look
    while step.at < step.end and step.clean_found + PREFIXES_MAX <= step.clean_max:
        record = table_at(&view.table, step.at)
        key = load_acquire_u64(&record.key)
        if _question_of(step, key >> NUMBER_BITS, key & NUMBER_MASK) >= 0:
            look = record_evaluate(view, record, step.now, step.now, False, &number)
            if look == LOOK_STALE:
                return LOOK_STALE
            if look == LOOK_DONE:  # else it kept changing: the next sweep meets it
                _add(step, &number)
        step.at += 1
    return LOOK_DONE


cdef inline int32_t _question_of(
    const step_t *step, uint64_t pool, uint64_t number
) noexcept nogil:
    """The row with the longest prefix that a number of a pool has; -1 = nobody asks for it."""
    cdef uint32_t begin, end, middle
    cdef uint64_t digits = number
    cdef int32_t row
    if pool >= POOLS_MAX or number == 0:
        return -1
    begin, end = step.begins[pool], step.begins[pool + 1]
    if begin == end:
        return -1
    while digits < NUMBER_MOST // 10 + 1:
        digits *= 10
    while begin < end:  # the last row that begins at it or before
        middle = (begin + end) // 2
        if step.rows[middle].first <= digits:
            begin = middle + 1
        else:
            end = middle
    row = <int32_t>begin - 1 if begin > step.begins[pool] else -1
    while row >= 0 and (digits >= step.rows[row].end or number < step.rows[row].least):
        row = step.rows[row].around
    return row


cdef inline void _add(step_t *step, const number_t *number) noexcept nogil:
    """Keeps a number for each question that it answers."""
    cdef int64_t clean_at = min(number.evaluation.clean_at, <int64_t>CLEAN_AT_MOST)
    cdef uint32_t question
    cdef candidate_t *row
    if number.header.state == STATE_FREE or number.header.state == STATE_EMPTY:
        return
    cdef int32_t at = _question_of(step, number.header.pool, number.header.number)
    while at >= 0:
        question = step.rows[at].question
        at = step.rows[at].around
        if number.evaluation.verdict == VERDICT_CLEAN:
            row = &step.clean[step.clean_found]
            row.number = number.header.number
            row.clean_at = <uint32_t>clean_at
            row.pool = <uint16_t>question
            row.spare = 0
            step.clean_found += 1
        elif is_on_its_way(number):
            expect_sooner(number, step.now, &step.next_clean_at[question])
