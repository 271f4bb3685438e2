"""Numbers as a list shows them: looked at and encoded in one pass, without the GIL."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

import numpy as np

from ringfence.engine.memory.record cimport STATE_FREE
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.table.table cimport table_find
from ringfence.engine.verdict.evaluate cimport (
    LOOK_DONE,
    LOOK_NOTHING,
    LOOK_STALE,
    look_t,
    number_look,
    number_t,
    view_t,
)
from ringfence.engine.verdict.number_message cimport MESSAGE_BYTES_MAX, put_listed
from ringfence.engine.verdict.view cimport View

from ringfence.engine.answers import Unsettled


cdef class NumberList:
    """What one thread lists of a segment."""

    cdef object _hold  # a view of the mapping: it cannot close under the pointers
    cdef View view

    def __cinit__(self, Segment segment not None):
        self._hold = segment.view()
        self.view = View(segment)

    def encode(self, numbers, *, int64_t now):
        cdef const uint64_t[::1] asked = numbers
        cdef uint64_t count = asked.shape[0], done = 0
        cdef look_t look = LOOK_DONE
        encoded = np.empty(count * MESSAGE_BYTES_MAX, dtype=np.uint8)
        cdef uint8_t[::1] cells = encoded
        cdef uint8_t *end
        if count == 0:
            return b""
        end = &cells[0]
        for _ in range(2):
            self.view.refresh()
            with nogil:
                look = _encode(&self.view.c, &asked[0], count, now, &done, &end)
            if look != LOOK_STALE:
                break
        if look != LOOK_DONE:
            raise Unsettled("a number kept changing")
        return encoded[: end - &cells[0]].tobytes()


cdef look_t _encode(
    const view_t *view, const uint64_t *numbers, uint64_t count, int64_t now,
    uint64_t *done, uint8_t **end,
) noexcept nogil:
    """Goes on behind those that are done; what is not in the table any more is left out."""
    cdef number_t number
    cdef look_t look
    while done[0] < count:
        look = number_look(
            view, numbers[done[0]], table_find(&view.table, numbers[done[0]]), now, now, False,
            &number,
        )
        if look == LOOK_DONE:
            if number.header.state != STATE_FREE:
                end[0] = put_listed(end[0], &number, view.settings, now)
        elif look != LOOK_NOTHING:
            return look
        done[0] += 1
    return LOOK_DONE
