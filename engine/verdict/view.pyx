"""What a process needs for verdicts: the shared table, and its own copy of the settings.

A verdict is computed from memory that nobody changes meanwhile. `refresh` costs two loads while
the settings are as they were. Coverage changes every second, nearly always at its end: only what
lies behind the first change is copied and worked out again. Settings change seldom: a pool is
worked out anew where it requires other feeds. All pools at once, as at a start, take a tenth of a
second at the bounds: the GIL is released for that.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy

from ringfence.engine.memory.atomic cimport fence_acquire, load_acquire_u64, load_relaxed_u64
from ringfence.engine.verdict.coverage cimport coverage_ended, coverage_intersect, pool_coverage_t
from ringfence.engine.verdict.evaluate cimport view_t
from ringfence.engine.memory.record cimport (
    FEED_INTERVALS_MAX,
    FEEDS_MAX,
    POOL_FEEDS_MAX,
    POOLS_MAX,
    coverage_t,
    interval_t,
    pool_t,
    segment_t,
    settings_t,
)
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.settings.settings_copy cimport settings_copy
from ringfence.engine.table.segment_table cimport segment_table

from ringfence.engine.answers import Unsettled

cdef enum:
    SETTLE_LOOKS_MAX = 1000


cdef class View:
    """A segment's table and map, and the settings as this process last read them."""

    def __cinit__(self, Segment segment not None):
        self.segment = segment
        self.c.table = segment_table(segment)
        self.c.spray_map = segment.spray_map()
        self.c.settings = <settings_t *>malloc(sizeof(settings_t))
        self.feeds = <coverage_t *>calloc(FEEDS_MAX, sizeof(coverage_t))  # pages as they are needed
        if self.c.settings == NULL or self.feeds == NULL:
            raise MemoryError
        self.settings_generation = <uint64_t>-1  # never a real one: the first query refreshes

    def __dealloc__(self):
        cdef int i
        for i in range(POOLS_MAX):
            free(self.c.coverage[i].intervals)
            free(self.c.coverage[i].before_s)
        free(self.c.settings)
        free(self.feeds)

    cdef int refresh(self) except -1:
        """Brings the copy of settings and coverage up to date; nearly always nothing."""
        cdef segment_t *head = self.segment.head()
        cdef uint64_t settings_now = load_acquire_u64(&head.settings_generation)
        cdef uint64_t coverage_now = load_acquire_u64(&head.coverage_generation)
        cdef uint64_t settings_held = self.settings_generation
        cdef const coverage_t *published = self.segment.coverage()
        cdef int64_t changed_from[FEEDS_MAX]
        cdef bint anew = settings_held == <uint64_t>-1  # for the first time, or it never settled
        cdef bint settled = False, joined = False
        cdef uint32_t i
        cdef int look
        # While coverage is odd, what was read before it still holds.
        if settings_now == settings_held and (
            coverage_now == self.coverage_generation or coverage_now & 1
        ):
            return 0
        self.settings_generation = <uint64_t>-1  # until all of it has settled
        for i in range(FEEDS_MAX):
            changed_from[i] = INT64_MAX
        for look in range(SETTLE_LOOKS_MAX):
            coverage_now = load_acquire_u64(&head.coverage_generation)
            if coverage_now & 1:
                continue
            settings_now = load_acquire_u64(&head.settings_generation)
            if settings_now != settings_held:
                if not settings_copy(self.segment, self.c.settings, &settings_held):
                    break
                settings_now = settings_held
            with nogil:
                for i in range(min(self.c.settings.feed_count, <uint32_t>FEEDS_MAX)):
                    changed_from[i] = min(
                        changed_from[i], _copy_feed(&self.feeds[i], &published[i])
                    )
                fence_acquire()
                settled = (
                    load_relaxed_u64(&head.coverage_generation) == coverage_now
                    and load_relaxed_u64(&head.settings_generation) == settings_now
                )
                if settled:
                    joined = _join_pools(&self.c, self.feeds, changed_from, anew)
            if settled:
                if not joined:
                    raise MemoryError
                self.coverage_generation = coverage_now
                self.settings_generation = settings_now
                return 0
        raise Unsettled("the settings kept changing")


cdef int64_t _copy_feed(coverage_t *copy, const coverage_t *feed) noexcept nogil:
    """Copies what a feed has covered; returns the time from which it differs from the copy.

    The feed may change meanwhile: then the copy is none, and is compared again with the next one.
    """
    cdef uint32_t count = min(feed.interval_count, <uint32_t>FEED_INTERVALS_MAX), i = 0
    cdef int64_t changed_from = INT64_MAX
    while (
        i < min(count, copy.interval_count)
        and copy.intervals[i].begin == feed.intervals[i].begin
        and copy.intervals[i].end == feed.intervals[i].end
    ):
        i += 1
    if i < copy.interval_count:
        changed_from = copy.intervals[i].begin
    if i < count:
        memcpy(&copy.intervals[i], &feed.intervals[i], (count - i) * sizeof(interval_t))
        changed_from = min(changed_from, <int64_t>copy.intervals[i].begin)
    copy.interval_count = count
    return changed_from


cdef bint _join_pools(
    view_t *view, const coverage_t *feeds, const int64_t *changed_from, bint anew
) noexcept nogil:
    """Works out each pool's coverage: what all the feeds that it requires have covered; False when
    there is no memory for it.
    """
    cdef const pool_t *pool
    cdef int64_t since
    cdef int i, j
    for i in range(POOLS_MAX):
        pool = &view.settings.pools[i]
        view.coverage[i].always = pool.feed_count == 0
        since = INT64_MAX
        if anew or _has_other_feeds(&view.coverage[i], pool):
            view.coverage[i].count = 0
            view.coverage[i].feed_count = pool.feed_count
            memcpy(&view.coverage[i].feeds[0], &pool.feeds[0], sizeof(pool.feeds))
            since = 0
        for j in range(pool.feed_count):
            since = min(since, changed_from[pool.feeds[j]])
        if pool.feed_count and since != INT64_MAX:
            if not _join_feeds(&view.coverage[i], feeds, pool, since):
                return False
    return True


cdef bint _has_other_feeds(
    const pool_coverage_t *coverage, const pool_t *pool
) noexcept nogil:
    """Whether a pool's coverage was worked out of other feeds than it requires now."""
    return coverage.feed_count != pool.feed_count or memcmp(
        &coverage.feeds[0], &pool.feeds[0], pool.feed_count * sizeof(uint16_t)
    ) != 0


cdef bint _join_feeds(
    pool_coverage_t *coverage, const coverage_t *feeds, const pool_t *pool, int64_t since
) noexcept nogil:
    """Works out a pool's coverage from a time on; before it stays what it is."""
    cdef uint32_t kept = coverage_ended(coverage.intervals, coverage.count, since)
    cdef uint32_t ended[POOL_FEEDS_MAX]
    cdef uint32_t room = 1, count, i
    cdef const coverage_t *feed
    cdef interval_t *scratch
    cdef interval_t *both
    cdef interval_t *other
    cdef bint appended
    if kept < coverage.count:
        since = min(since, <int64_t>coverage.intervals[kept].begin)
    for i in range(pool.feed_count):
        feed = &feeds[pool.feeds[i]]
        ended[i] = coverage_ended(&feed.intervals[0], feed.interval_count, since)
        room += feed.interval_count - ended[i]
    scratch = <interval_t *>malloc(2 * room * sizeof(interval_t))
    if scratch == NULL:
        return False
    both, other = scratch, scratch + room
    feed = &feeds[pool.feeds[0]]
    count = feed.interval_count - ended[0]
    memcpy(both, &feed.intervals[ended[0]], count * sizeof(interval_t))
    if count:
        both[0].begin = max(both[0].begin, <uint32_t>since)
    for i in range(1, pool.feed_count):
        feed = &feeds[pool.feeds[i]]
        count = coverage_intersect(
            both, count, &feed.intervals[ended[i]], feed.interval_count - ended[i], other
        )
        both, other = other, both
    appended = _append(coverage, kept, both, count)
    free(scratch)
    return appended


cdef bint _append(
    pool_coverage_t *coverage, uint32_t kept, const interval_t *more, uint32_t count
) noexcept nogil:
    cdef interval_t *intervals
    cdef int64_t *before_s
    cdef uint32_t i
    if coverage.room < kept + count:
        intervals = <interval_t *>realloc(coverage.intervals, (kept + count) * sizeof(interval_t))
        if intervals == NULL:
            return False
        coverage.intervals = intervals
        before_s = <int64_t *>realloc(coverage.before_s, (kept + count) * sizeof(int64_t))
        if before_s == NULL:
            return False
        coverage.before_s = before_s
        coverage.room = kept + count
    memcpy(&coverage.intervals[kept], more, count * sizeof(interval_t))
    coverage.count = kept + count
    for i in range(kept, coverage.count):
        coverage.before_s[i] = 0 if i == 0 else coverage.before_s[i - 1] + (
            coverage.intervals[i - 1].end - coverage.intervals[i - 1].begin
        )
    return True
