"""Coverage: the time in which all feeds that a pool requires were listening."""

from libc.stdint cimport int64_t, uint16_t, uint32_t

from ringfence.engine.memory.record cimport POOL_FEEDS_MAX, interval_t

ctypedef struct pool_coverage_t:
    bint always  # the pool requires no feed
    uint16_t feed_count
    uint16_t feeds[POOL_FEEDS_MAX]  # of these it was worked out
    uint32_t count
    uint32_t room  # intervals that fit
    interval_t *intervals  # disjoint, ascending
    int64_t *before_s  # seconds covered by all intervals before this one

cdef inline uint32_t coverage_intersect(
    const interval_t *left, uint32_t lefts,
    const interval_t *right, uint32_t rights,
    interval_t *both,
) noexcept nogil:
    """Writes what two ascending lists share, at most lefts + rights intervals; returns how many."""
    cdef uint32_t i = 0, j = 0, count = 0, begin, end
    while i < lefts and j < rights:
        begin = max(left[i].begin, right[j].begin)
        end = min(left[i].end, right[j].end)
        if begin < end:
            both[count].begin = begin
            both[count].end = end
            count += 1
        if left[i].end < right[j].end:
            i += 1
        else:
            j += 1
    return count

cdef inline uint32_t coverage_ended(
    const interval_t *intervals, uint32_t count, int64_t t
) noexcept nogil:
    """How many intervals of an ascending list end at `t` or before, by binary search."""
    cdef uint32_t low = 0, high = count, middle
    while low < high:
        middle = (low + high) // 2
        if <int64_t>intervals[middle].end <= t:
            low = middle + 1
        else:
            high = middle
    return low

cdef inline int64_t coverage_until(const pool_coverage_t *coverage, int64_t t) noexcept nogil:
    """Seconds covered before `t`, by binary search; at the end, where most ask, without one."""
    cdef uint32_t low = 0, high = coverage.count, middle
    if high and <int64_t>coverage.intervals[high - 1].begin < t:
        low = high
    while low < high:
        middle = (low + high) // 2
        if <int64_t>coverage.intervals[middle].begin < t:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return 0
    return coverage.before_s[low - 1] + (
        min(t, <int64_t>coverage.intervals[low - 1].end) - coverage.intervals[low - 1].begin
    )

cdef inline int64_t coverage_within(
    const pool_coverage_t *coverage, int64_t begin, int64_t end
) noexcept nogil:
    """Seconds of [begin, end) that are covered."""
    if begin >= end:
        return 0
    if coverage.always:
        return end - begin
    return coverage_until(coverage, end) - coverage_until(coverage, begin)
