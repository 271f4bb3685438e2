"""The ring of one number: its K greatest distinct entries, a join.

Thread safety: any number of processes insert at once, without a lock. A slot only ever grows while
its number is tracked: an insert finds the smallest slot, lowest index first (an empty one is 0) and
replaces it by one compare-and-swap; a swap that fails means that another insert succeeded, so it
looks again. Two inserts of one entry cannot both succeed: the second would have to miss the first
in its look and then find another smallest slot unchanged, and slots that only grow rule that out.

Invariants: entries are distinct; a killed process leaves the ring as it was or with its entry in.
"""

from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t

from ringfence.engine.memory.atomic cimport load_relaxed_u64, swap_if_equal_u64

cdef inline uint64_t *ring_insert(uint64_t *ring, uint32_t entries, uint64_t entry) noexcept nogil:
    """Joins an entry; the slot that it took, NULL: it was there, or is older than a full ring."""
    cdef uint64_t value, least
    cdef uint32_t i, least_at
    while True:
        least_at = 0
        least = load_relaxed_u64(&ring[0])
        if least == entry:
            return NULL
        for i in range(1, entries):
            value = load_relaxed_u64(&ring[i])
            if value == entry:
                return NULL
            if value < least:
                least = value
                least_at = i
        if entry < least:
            return NULL
        if swap_if_equal_u64(&ring[least_at], least, entry):
            return &ring[least_at]

cdef inline void entry_put(uint64_t *ascending, uint32_t count, uint64_t entry) noexcept nogil:
    """Puts an entry into its place among so many that ascend."""
    while count > 0 and ascending[count - 1] > entry:
        ascending[count] = ascending[count - 1]
        count -= 1
    ascending[count] = entry

cdef inline uint32_t ring_read_sorted(
    const uint64_t *ring, uint32_t entries, uint64_t *ascending
) noexcept nogil:
    """Copies the entries in ascending order; returns how many there are.

    Events mostly come in the order of their times, and each takes the slot of the oldest: read on
    from that slot, round the ring, there is hardly anything to sort.
    """
    cdef uint32_t count = 0, i, first = 0
    cdef uint64_t value, least = UINT64_MAX
    for i in range(entries):
        value = load_relaxed_u64(&ring[i])
        if value != 0 and value < least:
            least = value
            first = i
    for i in range(entries):
        value = load_relaxed_u64(&ring[first + i if first + i < entries else first + i - entries])
        if value != 0:
            entry_put(ascending, count, value)
            count += 1
    return count
