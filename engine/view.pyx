"""What a process needs for verdicts: the shared table, and its own copy of the settings.

A verdict is computed from memory that nobody changes meanwhile. `refresh` costs two loads while
the settings are as they were.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from ringfence.engine.atomic cimport fence_acquire, load_acquire_u64, load_relaxed_u64
from ringfence.engine.coverage cimport coverage_intersect, pool_coverage_t
from ringfence.engine.evaluate cimport view_t
from ringfence.engine.record cimport (
    FEED_INTERVALS_MAX,
    POOLS_MAX,
    coverage_t,
    interval_t,
    pool_t,
    segment_t,
    settings_t,
)
from ringfence.engine.segment cimport Segment

from ringfence.engine.answers import Unsettled

cdef enum:
    SETTLE_LOOKS_MAX = 1000


cdef class View:
    """A segment's table and map, and the settings as this process last read them."""

    def __cinit__(self, Segment segment not None):
        self.segment = segment
        self.c.table = segment.table()
        self.c.spray_map = segment.spray_map()
        self.c.settings = <settings_t *>malloc(sizeof(settings_t))
        if self.c.settings == NULL:
            raise MemoryError
        self.settings_generation = <uint64_t>-1  # never a real one: the first query refreshes

    def __dealloc__(self):
        _forget_coverage(&self.c)
        free(self.c.settings)

    cdef int refresh(self) except -1:
        """Brings the copy of settings and coverage up to date; nearly always nothing."""
        cdef segment_t *head = self.segment.head()
        cdef uint64_t settings_now = load_acquire_u64(&head.settings_generation)
        cdef uint64_t coverage_now = load_acquire_u64(&head.coverage_generation)
        cdef int look
        if (
            settings_now == self.settings_generation
            and coverage_now == self.coverage_generation
        ):
            return 0
        self.settings_generation = <uint64_t>-1  # until all of it has settled
        for look in range(SETTLE_LOOKS_MAX):
            coverage_now = load_acquire_u64(&head.coverage_generation)
            if coverage_now & 1:
                continue
            settings_now = self.segment.copy_settings(self.c.settings)
            _copy_coverage(&self.c, self.segment.coverage())
            fence_acquire()
            if (
                load_relaxed_u64(&head.coverage_generation) == coverage_now
                and load_relaxed_u64(&head.settings_generation) == settings_now
            ):
                self.coverage_generation = coverage_now
                self.settings_generation = settings_now
                return 0
        raise Unsettled("the settings kept changing")


cdef void _forget_coverage(view_t *view) noexcept:
    cdef int i
    for i in range(POOLS_MAX):
        free(view.coverage[i].intervals)
        free(view.coverage[i].before_s)
        memset(&view.coverage[i], 0, sizeof(pool_coverage_t))


cdef int _copy_coverage(view_t *view, const coverage_t *feeds) except -1:
    """Works out each pool's coverage: what all the feeds that it requires have covered."""
    cdef int i, j
    cdef const pool_t *pool
    _forget_coverage(view)
    for i in range(POOLS_MAX):
        pool = &view.settings.pools[i]
        view.coverage[i].always = pool.feed_count == 0
        for j in range(pool.feed_count):
            _join_feed(&view.coverage[i], &feeds[pool.feeds[j]], j == 0)
        _sum_coverage(&view.coverage[i])
    return 0


cdef int _join_feed(pool_coverage_t *coverage, const coverage_t *feed, bint first) except -1:
    cdef uint32_t feeds = min(feed.interval_count, <uint32_t>FEED_INTERVALS_MAX)
    cdef interval_t *both = <interval_t *>calloc(
        feeds + coverage.count + 1, sizeof(interval_t)
    )
    if both == NULL:
        raise MemoryError
    if first:
        memcpy(both, &feed.intervals[0], feeds * sizeof(interval_t))
    else:
        feeds = coverage_intersect(
            coverage.intervals, coverage.count, &feed.intervals[0], feeds, both
        )
    free(coverage.intervals)
    coverage.intervals = both
    coverage.count = feeds
    return 0


cdef int _sum_coverage(pool_coverage_t *coverage) except -1:
    cdef uint32_t i
    cdef int64_t before_s = 0
    coverage.before_s = <int64_t *>calloc(coverage.count + 1, sizeof(int64_t))
    if coverage.before_s == NULL:
        raise MemoryError
    for i in range(coverage.count):
        coverage.before_s[i] = before_s
        before_s += coverage.intervals[i].end - coverage.intervals[i].begin
    return 0
