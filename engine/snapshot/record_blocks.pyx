"""Copies records out of a table that changes meanwhile, and makes a table of copied records.

Thread safety: the copies may run beside workers and the keeper; `index_records` may run in several
threads at once, each with records of its own, in a segment that nobody else uses yet.
Invariants: every 64-bit word is copied whole, so a copied ring holds only whole entries. A record
is copied under one control word, so header and ring are of one life of one number. Where that word
is odd, its writer being slow or dead, the header may be in halves: its change is in the keeper's
journal behind the position noted before the copy, and replay writes it again. But a slot that is
changing its number is copied as EMPTY: replay gives that number another one.
"""

import numpy as np

from libc.stdint cimport UINT64_MAX, uint64_t
from libc.string cimport memset

from ringfence.engine.memory.atomic cimport (
    fence_acquire,
    load_acquire_u64,
    load_relaxed_u64,
    prefetch_write,
    store_release_u64,
    swap_if_equal_u64,
)
from ringfence.engine.memory.record cimport (
    CALLERS_BYTES,
    CALLERS_OFFSET,
    GENERATION_ONE,
    HEADER_READS_MAX,
    NUMBER_MASK,
    RECORDS_OFFSET,
    SINCE_SHIFT,
    SPRAY_MAP_BYTES as C_SPRAY_MAP_BYTES,
    SPRAY_OFFSET,
    STATE_EMPTY,
    STATE_FREE,
    STATE_MASK,
    record_t,
)
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.table.segment_table cimport segment_table
from ringfence.engine.table.stretch cimport stretches_span
from ringfence.engine.table.table cimport (
    number_mix,
    record_is_of,
    record_spans,
    table_at,
    table_find,
    table_home,
    table_next,
    table_record,
    table_t,
)

SPRAY_MAP_BYTES = C_SPRAY_MAP_BYTES

cdef enum:
    AHEAD_RECORDS = 32  # their index lines are fetched together


def copy_records(Segment segment not None, uint64_t first, uint64_t[::1] into not None):
    cdef table_t table = segment_table(segment)
    cdef uint64_t words = into.shape[0]
    cdef uint64_t count = _whole_records(segment, first, 8 * words)
    cdef uint64_t record_words = segment.record_bytes // 8, i
    cdef uint64_t left_out = 0
    hold = segment.view()
    if count:
        with nogil:
            for i in range(count):
                left_out += not _copy_record(
                    table_at(&table, first + i), record_words, &into[i * record_words]
                )
    if left_out:
        raise RuntimeError(f"records kept changing: count={left_out}, from={first}")


def copy_spray_map(Segment segment not None, uint64_t[::1] into not None):
    cdef const uint64_t *spray_map = <const uint64_t *>segment.spray_map()
    hold = segment.view()
    if 8 * into.shape[0] != C_SPRAY_MAP_BYTES:
        raise ValueError(f"into: bytes={8 * into.shape[0]}, bound={C_SPRAY_MAP_BYTES}")
    with nogil:
        _copy_words(spray_map, C_SPRAY_MAP_BYTES // 8, &into[0])


def copy_callers(Segment segment not None, uint64_t first_byte, uint64_t[::1] into not None):
    hold = _callers(segment)[first_byte : first_byte + 8 * into.shape[0]]
    if len(hold) != 8 * into.shape[0] or first_byte % 8:
        raise ValueError(
            f"callers: first_byte={first_byte}, bytes={8 * into.shape[0]}, "
            f"bound={callers_bytes(segment.callers)}"
        )
    cdef const uint64_t[::1] words = hold.cast("Q")
    if into.shape[0]:
        with nogil:
            _copy_words(&words[0], into.shape[0], &into[0])


def callers_bytes(uint64_t callers):
    return CALLERS_BYTES(callers)


def callers_memory(Segment segment not None, uint64_t first_byte, uint64_t size_bytes):
    return _callers(segment)[first_byte : first_byte + size_bytes]


cdef object _callers(Segment segment):
    first = CALLERS_OFFSET(segment.capacity_numbers, segment.ring_entries)
    return segment.view()[first : first + callers_bytes(segment.callers)]


def records_memory(Segment segment not None, uint64_t first, uint64_t size_bytes):
    _whole_records(segment, first, size_bytes)
    begin = RECORDS_OFFSET(segment.capacity_numbers) + first * segment.record_bytes
    return segment.view()[begin : begin + size_bytes]


def spray_map_memory(Segment segment not None):
    return segment.view()[SPRAY_OFFSET : SPRAY_OFFSET + C_SPRAY_MAP_BYTES]


def index_records(Segment segment not None, uint64_t first, uint64_t count):
    cdef table_t table = segment_table(segment)
    cdef uint64_t found = 0
    _whole_records(segment, first, count * segment.record_bytes)
    doubles = np.empty(count, np.uint64)
    cdef uint64_t[::1] cells = doubles
    hold = segment.view()
    if count:
        with nogil:
            found = _index_records(&table, first, first + count, &cells[0])
    if found > count:
        raise ValueError(f"record={cells[0]} has no number of its own")
    return doubles[:found]


def set_numbers(Segment segment not None, uint64_t numbers):
    _whole_records(segment, 0, numbers * segment.record_bytes)
    store_release_u64(&segment.head().numbers, numbers)


def _whole_records(Segment segment, first, size_bytes):
    """How many records so many bytes are, all of them inside the table."""
    count, rest = divmod(size_bytes, segment.record_bytes)
    if rest or first + count > segment.capacity_numbers:
        raise ValueError(
            f"records: first={first}, bytes={size_bytes}, record={segment.record_bytes} bytes, "
            f"capacity={segment.capacity_numbers}"
        )
    return count


cdef void _copy_words(const uint64_t *words, uint64_t count, uint64_t *into) noexcept nogil:
    cdef uint64_t i
    for i in range(count):
        into[i] = load_relaxed_u64(&words[i])


cdef bint _copy_record(
    const record_t *record, uint64_t words, uint64_t *into
) noexcept nogil:
    """Copies a record under one control word; False when that kept changing."""
    cdef uint64_t control
    cdef int look
    for look in range(HEADER_READS_MAX):
        control = load_acquire_u64(&record.control)
        _copy_words(<const uint64_t *>record, words, into)
        fence_acquire()
        if load_relaxed_u64(&record.control) != control:
            continue
        if control & GENERATION_ONE and control & STATE_MASK in (STATE_EMPTY, STATE_FREE):
            memset(into, 0, 8 * words)
        return True
    return False


cdef uint64_t _index_records(
    const table_t *table, uint64_t begin, uint64_t end, uint64_t *doubles
) noexcept nogil:
    """Indexes records; lists those whose number leads to another one, and says how many these are.
    More than all: the first one listed has no number.
    """
    cdef uint64_t mixed[AHEAD_RECORDS]
    cdef uint64_t at, size, i, found = 0
    cdef record_t *record
    while begin < end:
        size = min(<uint64_t>AHEAD_RECORDS, end - begin)
        for i in range(size):
            record = table_at(table, begin + i)
            # A header was changing when it was copied: the old state, as TableWriter would say.
            record.control &= ~GENERATION_ONE
            mixed[i] = number_mix(record.key & NUMBER_MASK)
            prefetch_write(&table.index[table_home(table, mixed[i])])
        for i in range(size):
            at = begin + i
            record = table_at(table, at)
            if record.control & STATE_MASK == STATE_EMPTY:
                continue
            if record.key & NUMBER_MASK == 0:
                doubles[0] = at
                return UINT64_MAX
            if not _index_record(table, record, mixed[i], at):
                doubles[found] = at
                found += 1
            stretches_span(record, record_spans(table, record), table.stretches)
        begin += size
    return found


cdef bint _index_record(
    const table_t *table, const record_t *record, uint64_t mixed, uint64_t at
) noexcept nogil:
    """Makes a record findable; False when another record has its number."""
    cdef uint64_t slot = table_home(table, mixed)
    cdef uint64_t entry
    while True:
        entry = load_acquire_u64(&table.index[slot])
        if entry == 0:
            if swap_if_equal_u64(&table.index[slot], 0, mixed << 32 | (at + 1)):
                return True
            continue  # another thread was first: this slot has an entry now
        if entry >> 32 == mixed & 0xffffffffULL and record_is_of(
            table_at(table, (entry & 0xffffffffULL) - 1), record.key & NUMBER_MASK
        ):
            return False
        slot = table_next(table, slot)


def settle_doubles(Segment segment not None, doubles):
    cdef table_t table = segment_table(segment)
    cdef record_t *record
    cdef record_t *other
    cdef uint64_t place, entry
    hold = segment.view()
    for at in doubles:
        record = table_at(&table, at)
        other = table_find(&table, record.key & NUMBER_MASK)
        if _is_later(record, other):
            place = table_home(&table, number_mix(record.key & NUMBER_MASK))
            entry = table_record(&table, other) + 1
            while table.index[place] & 0xffffffffULL != entry:
                place = table_next(&table, place)
            table.index[place] += <uint64_t>at + 1 - entry
            record, other = other, record
        memset(record, 0, segment.record_bytes)


cdef bint _is_later(const record_t *record, const record_t *other) noexcept:
    """Whether a record is of a later life of its number than another one."""
    cdef bint here = record.control & STATE_MASK != STATE_FREE
    cdef bint there = other.control & STATE_MASK != STATE_FREE
    if here != there:
        return here
    if record.quarantined_at != other.quarantined_at:
        return record.quarantined_at > other.quarantined_at
    return record.control >> SINCE_SHIFT > other.control >> SINCE_SHIFT
