"""Looks through the headers of the table for numbers that are in a state for long.

Thread safety: any thread of any process; it reads settled headers only. No record is copied, and
the GIL is released while they are looked at.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

import numpy as np

from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.table.header cimport header_read, header_t
from ringfence.engine.table.segment_table cimport segment_table
from ringfence.engine.table.table cimport table_at, table_t

ctypedef struct look_t:
    uint64_t at  # the record to look at next
    uint64_t end
    uint32_t states  # bit s = state s
    int64_t until
    uint64_t *numbers
    uint64_t numbers_max
    uint64_t found


def numbers_in_states(
    Segment segment not None, uint64_t first, *, states, int64_t until, uint64_t records_max,
    uint64_t numbers_max,
):
    hold = segment.view()  # the mapping cannot close meanwhile
    cdef table_t table = segment_table(segment)
    cdef uint64_t records = segment.numbers
    cdef uint64_t[::1] cells
    cdef look_t look
    look.at = first
    look.end = first + min(records_max, records - first) if first < records else first
    look.states = sum(1 << state for state in states)
    look.until = until
    look.numbers_max = min(numbers_max, look.end - first)
    look.found = 0
    numbers = np.empty(look.numbers_max, np.uint64)
    if look.numbers_max:
        cells = numbers
        look.numbers = &cells[0]
        with nogil:
            _look_on(&table, &look)
    del hold
    return numbers[:look.found], look.at


cdef void _look_on(const table_t *table, look_t *look) noexcept nogil:
    cdef header_t header
    while look.at < look.end and look.found < look.numbers_max:
        if (
            header_read(table_at(table, look.at), &header)  # else it is not there for long
            and look.states >> header.state & 1
            and header.since <= look.until
        ):
            look.numbers[look.found] = header.number
            look.found += 1
        look.at += 1
