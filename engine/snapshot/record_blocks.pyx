"""Copies records out of a table that changes meanwhile, and makes a table of copied records.

Thread safety: the copies may run beside workers and the keeper; `index_records` may run in several
threads at once, each with records of its own, in a segment that nobody else uses yet.
Invariants: every 64-bit word is copied whole, so a copied ring holds only whole entries. A header
that changes meanwhile may be copied in halves: its change is in the keeper's journal behind the
position noted before the copy, and replay writes it again.
"""

from libc.stdint cimport int64_t, uint64_t

from ringfence.engine.memory.atomic cimport (
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
    NUMBER_MASK,
    RECORDS_OFFSET,
    SPRAY_MAP_BYTES as C_SPRAY_MAP_BYTES,
    SPRAY_OFFSET,
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
    table_home,
    table_next,
    table_t,
)

SPRAY_MAP_BYTES = C_SPRAY_MAP_BYTES

cdef enum:
    AHEAD_RECORDS = 32  # their index lines are fetched together
    ALL_INDEXED = -1


def copy_records(Segment segment not None, uint64_t first, uint64_t[::1] into not None):
    cdef table_t table = segment_table(segment)
    cdef uint64_t words = into.shape[0]
    cdef uint64_t count = _whole_records(segment, first, 8 * words)
    hold = segment.view()
    if count:
        with nogil:
            _copy_words(<const uint64_t *>table_at(&table, first), words, &into[0])


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
    cdef int64_t stopped_at
    _whole_records(segment, first, count * segment.record_bytes)
    hold = segment.view()
    with nogil:
        stopped_at = _index_records(&table, first, first + count)
    return None if stopped_at == ALL_INDEXED else stopped_at


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


cdef int64_t _index_records(const table_t *table, uint64_t begin, uint64_t end) noexcept nogil:
    """Indexes records; the first one that has no number or another's, or ALL_INDEXED."""
    cdef uint64_t mixed[AHEAD_RECORDS]
    cdef uint64_t at, size, i
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
            if record.key & NUMBER_MASK == 0 or not _index_record(table, record, mixed[i], at):
                return <int64_t>at
            stretches_span(record, record_spans(table, record), table.stretches)
        begin += size
    return ALL_INDEXED


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
