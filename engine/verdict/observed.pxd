"""Step 7: whether enough of the time that silence must prove was listened to, and when it will be.

Coverage is known up to now and taken to be whole after it. Every moment is judged by one function,
`observed_enough`, also those that are searched: so a moment that is found is exact to the second.
"""

from libc.stdint cimport int64_t, uint32_t

from ringfence.engine.memory.record cimport interval_t
from ringfence.engine.verdict.coverage cimport (
    coverage_ended,
    coverage_within,
    pool_coverage_t,
)

ctypedef struct observed_t:
    # Of which time how much must have been listened to.
    const pool_coverage_t *coverage
    int64_t now
    int64_t quarantined_at
    int64_t observed_since  # nothing before it is covered, be it later than now
    int64_t reach_s  # how far back a verdict looks
    double minimum  # the share that is enough, 0 to 1

cdef inline int64_t observed_interval_s(const observed_t *observed, int64_t t) noexcept nogil:
    """Seconds of the interval that a verdict at `t` asks about; it ends at `t`."""
    return min(t - observed.quarantined_at, observed.reach_s)

cdef inline int64_t observed_covered_s(const observed_t *observed, int64_t t) noexcept nogil:
    """Seconds of that interval that are covered."""
    cdef int64_t begin = max(t - observed_interval_s(observed, t), observed.observed_since)
    return coverage_within(observed.coverage, begin, min(t, observed.now)) + max(
        <int64_t>0, t - max(begin, observed.now)
    )

cdef inline bint share_enough(
    int64_t covered_s, int64_t interval_s, double minimum
) noexcept nogil:
    """Whether the share is not below the minimum; an empty interval is covered."""
    return interval_s <= 0 or not <double>covered_s / <double>interval_s < minimum

cdef inline bint observed_enough(const observed_t *observed, int64_t t) noexcept nogil:
    """Whether enough is covered at `t`."""
    return share_enough(
        observed_covered_s(observed, t), observed_interval_s(observed, t), observed.minimum
    )

cdef inline int64_t observed_least_s(const observed_t *observed, int64_t t) noexcept nogil:
    """Seconds until enough could be covered at best: if all from `t` on is, and only time that is
    not covered goes out of reach. At least 1, as it is not enough at `t`.
    """
    cdef int64_t covered_s = observed_covered_s(observed, t)
    cdef int64_t interval_s = observed_interval_s(observed, t)
    cdef int64_t low = 1, high = observed.reach_s, middle, asked_s
    while low < high:
        middle = (low + high) // 2
        asked_s = min(interval_s + middle, observed.reach_s)
        if share_enough(min(covered_s + middle, asked_s), asked_s, observed.minimum):
            high = middle
        else:
            low = middle + 1
    return low

cdef inline int64_t observed_stalled_s(const observed_t *observed, int64_t t) noexcept nogil:
    """Seconds from `t`, before now and not before observed_since, in which the share does not
    grow: nothing is covered, or as much goes out of reach as comes in.
    """
    cdef const pool_coverage_t *coverage = observed.coverage
    cdef const interval_t *intervals = coverage.intervals
    cdef int64_t begin = t - observed.reach_s
    cdef int64_t covered_s = observed.now - t  # from t on without a gap
    cdef uint32_t i
    if not coverage.always:
        i = coverage_ended(intervals, coverage.count, t)
        if i == coverage.count:
            return covered_s
        if t < <int64_t>intervals[i].begin:
            return min(covered_s, intervals[i].begin - t)
        covered_s = min(covered_s, intervals[i].end - t)
    if begin < max(observed.quarantined_at, observed.observed_since):
        return 0  # nothing that is covered goes out of reach
    if coverage.always:
        return covered_s
    i = coverage_ended(intervals, coverage.count, begin)
    if begin < <int64_t>intervals[i].begin:  # it is there: the one that t lies in
        return 0
    return min(covered_s, intervals[i].end - begin)

cdef inline int64_t observed_expected(const observed_t *observed, int64_t t) noexcept nogil:
    """The first moment from `t` on at which enough is covered.

    Until now each step passes an edge of what is covered, or ends; from then on the share only
    grows, and it is whole once all that was missed is out of reach.
    """
    cdef int64_t whole_at = max(observed.now, observed.observed_since) + observed.reach_s
    cdef int64_t low = t, high, middle
    if observed_enough(observed, t):
        return t
    low = max(low + 1, observed.observed_since)
    while low < observed.now:
        if observed_enough(observed, low):
            return low
        low += max(observed_least_s(observed, low), observed_stalled_s(observed, low))
    high = max(low, whole_at)
    while low < high:
        middle = (low + high) // 2
        if observed_enough(observed, middle):
            high = middle
        else:
            low = middle + 1
    return low
