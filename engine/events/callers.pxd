"""The caller table: for each caller mark, its newest calls to distinct numbers; and the spray map.

A caller with so many distinct numbers within a span of so many seconds among the calls that are
kept of it is a spray caller: its bit in the map is set. Callers lie in buckets by the low bits of
their mark. Of a full bucket the caller goes that has been silent for longest.

Thread safety: any number of processes at once, every write one compare-and-swap on a word that
means something by itself. An entry carries the high bits of its caller's mark, so that with the
bucket it names its caller: what a caller that went left behind in its slot, or writes there late,
is nobody's call. A swap that fails is tried again a few times and then given up: this is a
statistic, and no verdict waits for it.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from ringfence.engine.memory.atomic cimport (
    add_relaxed_u64,
    fetch_or_relaxed_u8,
    load_relaxed_u64,
    prefetch_read,
    prefetch_write,
    swap_if_equal_u64,
)
from ringfence.engine.memory.record cimport (
    BUCKET_CALLERS,
    CALLER_ENTRIES,
    MARK_BITS,
    MARK_MASK,
    MARK_SHIFT,
    TIME_SHIFT,
    bucket_t,
)
from ringfence.engine.table.entry cimport entry_kind, entry_mark

cdef enum:
    SWAPS_MAX = 16
    SPRAY_KINDS = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6  # CALL, SMS, VOICEMAIL, VIDEO

ctypedef struct callers_t:
    # What noting a call needs of the segment; the settings are fixed while workers run.
    bucket_t *buckets  # NULL = there is no table
    uint32_t bucket_bits
    uint32_t numbers  # distinct ones that make a caller a spray caller; 0 = switched off
    int64_t window_s
    uint8_t *spray_map
    uint64_t *spray_callers  # bits that are set
    uint64_t spray_callers_max

cdef inline bint mark_is_spray(const uint8_t *spray_map, uint32_t mark) noexcept nogil:
    return spray_map[mark >> 3] >> (mark & 7) & 1

cdef inline bint entry_can_be_spray(uint64_t entry) noexcept nogil:
    """Whether it is of a kind that makes spray callers; bit 7 of a journalled kind is no kind."""
    return SPRAY_KINDS >> (entry_kind(entry) & 7) & 1

cdef inline bint entry_is_spray(uint64_t entry, const uint8_t *spray_map) noexcept nogil:
    """Whether the entry is of a kind that can be spray and its caller's bit is set."""
    cdef uint32_t mark = entry_mark(entry)
    return mark != 0 and entry_can_be_spray(entry) and mark_is_spray(spray_map, mark)

cdef inline void mark_set_spray(const callers_t *callers, uint32_t mark) noexcept nogil:
    """Sets a bit of the map, unless as many as may be are set.

    It is counted before it is set: who is killed between leaves the count too high by one until
    the next start, and never more bits than may be.
    """
    cdef uint8_t bit = <uint8_t>(1 << (mark & 7))
    cdef uint64_t known
    if mark_is_spray(callers.spray_map, mark):
        return
    while True:
        known = load_relaxed_u64(callers.spray_callers)
        if known >= callers.spray_callers_max:
            return
        if swap_if_equal_u64(callers.spray_callers, known, known + 1):
            break
    if fetch_or_relaxed_u8(&callers.spray_map[mark >> 3], bit) & bit:
        add_relaxed_u64(callers.spray_callers, -1)  # another was first

cdef inline bucket_t *caller_bucket(const callers_t *callers, uint32_t mark) noexcept nogil:
    return &callers.buckets[mark & ((1u << callers.bucket_bits) - 1)]

cdef inline void caller_prefetch(const callers_t *callers, uint32_t mark) noexcept nogil:
    """Fetches what looking for a caller needs."""
    cdef const bucket_t *bucket
    prefetch_read(&callers.spray_map[mark >> 3])
    if callers.numbers:
        bucket = caller_bucket(callers, mark)
        prefetch_write(&bucket.heads[0])
        prefetch_write(&bucket.heads[BUCKET_CALLERS // 2])

cdef inline uint64_t *caller_claim(bucket_t *bucket, uint32_t mark, uint32_t time) noexcept nogil:
    """The entries of a caller that calls at `time`, for which it may get another's slot.

    NULL when all others in a full bucket have called later, or kept changing.
    """
    cdef uint64_t head, least, called = <uint64_t>time << TIME_SHIFT | <uint64_t>mark << MARK_SHIFT
    cdef uint32_t swap, i, at
    for swap in range(SWAPS_MAX):
        at = 0
        least = load_relaxed_u64(&bucket.heads[0])
        for i in range(BUCKET_CALLERS):
            head = load_relaxed_u64(&bucket.heads[i])
            if head >> MARK_SHIFT & MARK_MASK == mark:
                least = head
                at = i
                break
            if head < least:
                least = head
                at = i
        if least >= called:
            return &bucket.entries[at][0] if least >> MARK_SHIFT & MARK_MASK == mark else NULL
        if swap_if_equal_u64(&bucket.heads[at], least, called):
            return &bucket.entries[at][0]
    return NULL

cdef inline void caller_note(
    const callers_t *callers, uint64_t *entries, uint32_t mark, uint64_t mixed, uint32_t time
) noexcept nogil:
    """Keeps a call of a caller that is not known as spray, to the number that mixes to `mixed`, and
    judges the caller by what is kept. `entries` are those that it claimed.
    """
    cdef uint64_t own = mark >> callers.bucket_bits
    cdef uint64_t own_mask = (1u << (MARK_BITS - callers.bucket_bits)) - 1
    # As many high bits of the mixed number as the mark leaves of 32.
    cdef uint64_t called = mixed >> (MARK_BITS - callers.bucket_bits + 32) << (
        MARK_BITS - callers.bucket_bits
    ) | own
    cdef uint64_t entry, least, worth, least_worth
    cdef uint32_t swap, i, at
    called |= <uint64_t>time << TIME_SHIFT
    for swap in range(SWAPS_MAX):
        at = 0
        least = least_worth = called
        for i in range(CALLER_ENTRIES):
            entry = load_relaxed_u64(&entries[i])
            if <uint32_t>entry == <uint32_t>called:
                least = least_worth = entry
                at = i
                break
            # An empty entry, and one that another caller left, is the first to go.
            worth = entry if entry & own_mask == own else 0
            if worth < least_worth:
                least = entry
                least_worth = worth
                at = i
        if least_worth >= called:
            break  # it is kept, or a newer one to its number, or only newer ones are
        if swap_if_equal_u64(&entries[at], least, called):
            break
    # Judged also when nothing was to be kept: who kept it may have been killed before it did that.
    if caller_is_spray(callers, entries, own, own_mask):
        mark_set_spray(callers, mark)

cdef inline bint caller_is_spray(
    const callers_t *callers, const uint64_t *entries, uint64_t own, uint64_t own_mask
) noexcept nogil:
    """Whether `callers.numbers` of a caller's entries lie within some span of the window."""
    cdef uint64_t kept[CALLER_ENTRIES]
    cdef int64_t times[CALLER_ENTRIES]
    cdef int64_t time
    cdef uint32_t count = 0, i, at
    for i in range(CALLER_ENTRIES):
        kept[count] = load_relaxed_u64(&entries[i])
        count += kept[count] != 0 and kept[count] & own_mask == own
    if count < callers.numbers:
        return False
    for i in range(count):
        time = <int64_t>(kept[i] >> TIME_SHIFT)
        at = i
        while at > 0 and times[at - 1] > time:
            times[at] = times[at - 1]
            at -= 1
        times[at] = time
    for i in range(callers.numbers, count + 1):
        if times[i - 1] - times[i - callers.numbers] < callers.window_s:
            return True
    return False
