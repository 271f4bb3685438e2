"""The shared memory of an installation: a file in /dev/shm, or anonymous memory.

Thread safety: making and opening are for one process at a time (the supervisor's lock on the data
folder sees to it); a mapping may be used by any number of processes, see `record.h`.
"""

import mmap
import os

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from ringfence.engine.memory.atomic cimport (
    fence_acquire,
    load_acquire_u64,
    load_relaxed_u64,
    store_release_u64,
)
from ringfence.engine.events.callers cimport callers_t
from ringfence.engine.memory.record cimport (
    BUCKET_CALLERS,
    CALLERS_OFFSET,
    COUNTERS_OFFSET,
    COVERAGE_OFFSET,
    NAME_BYTES,
    INDEX_OFFSET,
    INDEX_SLOTS,
    PAGE_BYTES,
    RECORD_BYTES,
    RECORDS_OFFSET,
    SEGMENT_BYTES,
    SEGMENT_MAGIC,
    SEGMENT_VERSION,
    SETTINGS_BYTES,
    SETTINGS_OFFSET,
    SPRAY_OFFSET,
    bucket_t,
    counters_t,
    coverage_t,
    policy_t,
    pool_t,
    rule_t,
    segment_t,
    settings_t,
    text_t,
)
from ringfence.engine.memory.record cimport FEED_INTERVALS_MAX as C_FEED_INTERVALS_MAX
from ringfence.engine.memory.record cimport FEEDS_MAX as C_FEEDS_MAX
from ringfence.engine.memory.record cimport POLICIES_MAX as C_POLICIES_MAX
from ringfence.engine.memory.record cimport POOLS_MAX as C_POOLS_MAX
from ringfence.engine.memory.record cimport POOL_FEEDS_MAX as C_POOL_FEEDS_MAX
from ringfence.engine.memory.record cimport RULES_MAX as C_RULES_MAX
from ringfence.engine.memory.record cimport WORKERS_MAX as C_WORKERS_MAX
from ringfence.engine.memory.record cimport DESCRIPTION_BYTES_MAX as C_DESCRIPTION_BYTES_MAX
from ringfence.engine.table.table cimport table_t

from ringfence.engine.answers import WorkerCounters
from ringfence.engine.settings.policy import NO_SPRAY, Feed, Policy, Pool, Rule, SettingError, Spray
from ringfence.engine.words import EventKind, Measure

VERSION = SEGMENT_VERSION
CAPACITY_NUMBERS_MAX = 1_000_000_000
RING_ENTRIES = (12, 28, 60)
POOLS_MAX = C_POOLS_MAX
POLICIES_MAX = C_POLICIES_MAX
FEEDS_MAX = C_FEEDS_MAX
FEED_INTERVALS_MAX = C_FEED_INTERVALS_MAX
POOL_FEEDS_MAX = C_POOL_FEEDS_MAX
RULES_MAX = C_RULES_MAX
WORKERS_MAX = C_WORKERS_MAX
DESCRIPTION_BYTES_MAX = C_DESCRIPTION_BYTES_MAX

cdef enum:
    COPY_LOOKS_MAX = 1000


class SegmentError(Exception):
    """The file is not a segment that this program can use; says what, limit and actual."""


def _check_geometry(capacity_numbers, ring_entries):
    if not 1 <= capacity_numbers <= CAPACITY_NUMBERS_MAX:
        raise SegmentError(
            f"capacity_numbers: value={capacity_numbers}, bound=1 to {CAPACITY_NUMBERS_MAX}"
        )
    if ring_entries not in RING_ENTRIES:
        raise SegmentError(f"ring_entries: value={ring_entries}, bound=12, 28 or 60")


def _reserve(fd, path, size_bytes):
    """Reserves every page: a sparse file would end a process with SIGBUS once memory is full."""
    try:
        os.posix_fallocate(fd, 0, size_bytes)
    except OSError as error:
        stat = os.fstatvfs(fd)
        free_bytes = stat.f_bavail * stat.f_frsize + os.fstat(fd).st_blocks * 512
        raise SegmentError(
            f"{path}: too little room for the segment: bytes={size_bytes}, free={free_bytes}"
        ) from error


cdef class Segment:
    """A mapping of the shared segment drawn in `record.h`."""

    @staticmethod
    def create(
        path, *, capacity_numbers, ring_entries=12, folder_id=bytes(16), spray=NO_SPRAY
    ):
        _check_geometry(capacity_numbers, ring_entries)
        spray.check()
        if len(folder_id) != 16:
            raise SegmentError(f"folder_id: bytes={len(folder_id)}, bound=16")
        size_bytes = Segment.bytes_needed(capacity_numbers, ring_entries, spray.callers)
        cdef Segment segment = Segment.__new__(Segment)
        if path is None:
            segment._attach(mmap.mmap(-1, size_bytes))
        else:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _reserve(fd, path, size_bytes)
                segment._attach(mmap.mmap(fd, size_bytes))
            except BaseException:
                os.unlink(path)
                raise
            finally:
                os.close(fd)
        cdef segment_t *head = <segment_t *>segment.base
        head.version = SEGMENT_VERSION
        head.ring_entries = ring_entries
        head.capacity_numbers = capacity_numbers
        head.segment_bytes = size_bytes
        memcpy(&head.folder_id[0], <const char *>folder_id, 16)
        head.callers = spray.callers
        segment.change_spray(spray)
        store_release_u64(&head.magic, SEGMENT_MAGIC)
        return segment

    @staticmethod
    def open(path, *, capacity_numbers=None, ring_entries=None, folder_id=None, callers=None):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            size_bytes = os.fstat(fd).st_size
            if size_bytes < PAGE_BYTES:
                raise SegmentError(
                    f"{path}: too short for a segment: bytes={size_bytes}, least={PAGE_BYTES}"
                )
            mapping = mmap.mmap(fd, size_bytes)
        finally:
            os.close(fd)
        cdef Segment segment = Segment.__new__(Segment)
        segment._attach(mapping)
        try:
            segment._check_header(path, size_bytes)
            segment._check_expected(path, "capacity_numbers", capacity_numbers)
            segment._check_expected(path, "ring_entries", ring_entries)
            segment._check_expected(path, "folder_id", folder_id)
            segment._check_expected(path, "callers", callers)
        except SegmentError:
            segment.close()
            raise
        return segment

    def _check_header(self, path, size_bytes):
        cdef segment_t *head = self.head()
        if load_acquire_u64(&head.magic) != SEGMENT_MAGIC:
            raise SegmentError(
                f"{path}: not a segment: magic={head.magic:#x}, expected={SEGMENT_MAGIC:#x}"
            )
        if head.version != SEGMENT_VERSION:
            raise SegmentError(
                f"{path}: segment of another version: version={head.version}, "
                f"expected={SEGMENT_VERSION}"
            )
        try:
            _check_geometry(head.capacity_numbers, head.ring_entries)
            self.spray.check()
        except (SegmentError, SettingError) as error:
            raise SegmentError(f"{path}: {error}") from None
        expected = Segment.bytes_needed(head.capacity_numbers, head.ring_entries, head.callers)
        if head.segment_bytes != expected or size_bytes != expected:
            raise SegmentError(
                f"{path}: wrong size for its geometry: bytes={size_bytes}, "
                f"header={head.segment_bytes}, expected={expected}"
            )

    def _check_expected(self, path, name, expected):
        actual = getattr(self, name)
        if expected is not None and expected != actual:
            if isinstance(expected, bytes):
                expected, actual = expected.hex(), actual.hex()
            raise SegmentError(
                f"{path}: other segment than asked for: {name}={actual}, expected={expected}"
            )

    @staticmethod
    def bytes_needed(capacity_numbers, ring_entries=12, callers=0):
        _check_geometry(capacity_numbers, ring_entries)
        return SEGMENT_BYTES(capacity_numbers, ring_entries, callers)

    def _attach(self, mapping):
        cdef uint8_t[::1] cells = mapping
        self.base = &cells[0]
        self._map = mapping

    def close(self):
        if self.base != NULL:
            self._map.close()  # raises BufferError while somebody holds a view of it
            self.base = NULL

    def view(self):
        """A writable memoryview of the whole mapping; the segment cannot close while it lives."""
        self.head()
        return memoryview(self._map)

    cdef segment_t *head(self) except NULL:
        if self.base == NULL:
            raise ValueError("the segment is closed")
        return <segment_t *>self.base

    cdef table_t table(self) except *:
        cdef segment_t *head = self.head()
        cdef table_t table
        table.index = <uint64_t *>(self.base + INDEX_OFFSET)
        table.index_slots = INDEX_SLOTS(head.capacity_numbers)
        table.records = self.base + RECORDS_OFFSET(head.capacity_numbers)
        table.numbers = &head.numbers
        table.ring_entries = head.ring_entries
        table.record_bytes = RECORD_BYTES(head.ring_entries)
        return table

    cdef counters_t *worker_counters(self, int worker) except NULL:
        self.head()
        if not 0 <= worker < C_WORKERS_MAX:
            raise ValueError(f"worker: value={worker}, bound=0 to {C_WORKERS_MAX - 1}")
        return <counters_t *>(self.base + COUNTERS_OFFSET) + worker

    cdef settings_t *settings(self, uint64_t generation) except NULL:
        self.head()
        return <settings_t *>(self.base + SETTINGS_OFFSET + (generation & 1) * SETTINGS_BYTES)

    cdef coverage_t *coverage(self) except NULL:
        self.head()
        return <coverage_t *>(self.base + COVERAGE_OFFSET)

    cdef uint8_t *spray_map(self) except NULL:
        self.head()
        return self.base + SPRAY_OFFSET

    cdef callers_t caller_table(self) except *:
        cdef segment_t *head = self.head()
        cdef callers_t callers
        callers.buckets = NULL
        callers.bucket_bits = 0
        if head.callers:
            callers.buckets = <bucket_t *>(
                self.base + CALLERS_OFFSET(head.capacity_numbers, head.ring_entries)
            )
            while BUCKET_CALLERS << callers.bucket_bits < head.callers:
                callers.bucket_bits += 1
        callers.numbers = head.spray_numbers
        callers.window_s = head.spray_window_s
        callers.spray_map = self.spray_map()
        callers.spray_callers = &head.spray_callers
        callers.spray_callers_max = head.spray_callers_max
        return callers

    @property
    def spray(self):
        cdef segment_t *head = self.head()
        return Spray(
            head.spray_numbers, head.spray_window_s, head.callers, head.spray_callers_max
        )

    def change_spray(self, spray):
        cdef segment_t *head = self.head()
        spray.check()
        if spray.callers != head.callers:
            raise SegmentError(f"callers: value={spray.callers}, bound={head.callers}")
        head.spray_numbers = spray.numbers
        head.spray_window_s = spray.window_s
        head.spray_callers_max = spray.spray_callers_max

    @property
    def callers(self):
        return self.head().callers

    @property
    def spray_callers(self):
        return load_relaxed_u64(&self.head().spray_callers)

    cdef uint64_t copy_settings(self, settings_t *into) except? 0:
        """Copies the settings that count and returns their generation."""
        cdef segment_t *head = self.head()
        cdef uint64_t generation
        cdef int look
        for look in range(COPY_LOOKS_MAX):
            generation = load_acquire_u64(&head.settings_generation)
            memcpy(into, self.settings(generation), sizeof(settings_t))
            fence_acquire()
            if load_relaxed_u64(&head.settings_generation) == generation:
                return generation
        raise SegmentError(f"settings never settled: looks={COPY_LOOKS_MAX}")

    def _settings(self):
        """Policies, pools and the names of feeds, by index; None where an index is not in use."""
        cdef settings_t *copy = <settings_t *>malloc(sizeof(settings_t))
        if copy == NULL:
            raise MemoryError
        try:
            self.copy_settings(copy)
            feeds = [_name(copy.feed_names[i]) or None for i in range(copy.feed_count)]
            policies = [
                _policy(&copy.policies[i], &copy.policy_descriptions[i])
                for i in range(copy.policy_count)
            ]
            pools = [
                _pool(&copy.pools[i], &copy.pool_descriptions[i], policies, feeds)
                for i in range(copy.pool_count)
            ]
            return policies, pools, feeds
        finally:
            free(copy)

    def policies(self):
        return self._settings()[0]

    def pools(self):
        return self._settings()[1]

    def feeds(self):
        return [
            None if name is None else Feed(name, self._covered(i), self.coverage()[i].watermark)
            for i, name in enumerate(self._settings()[2])
        ]

    def watermarks(self):
        cdef segment_t *head = self.head()
        cdef uint64_t settings_now, coverage_now
        cdef const settings_t *settings
        cdef const coverage_t *coverage = self.coverage()
        cdef const char *name
        cdef int look
        cdef uint32_t i
        for look in range(COPY_LOOKS_MAX):
            coverage_now = load_acquire_u64(&head.coverage_generation)
            if coverage_now & 1:
                continue
            settings_now = load_acquire_u64(&head.settings_generation)
            settings = self.settings(settings_now)
            watermarks = {}
            for i in range(min(settings.feed_count, <uint32_t>C_FEEDS_MAX)):
                name = &settings.feed_names[i][0]
                if name[0]:
                    watermarks[name[:NAME_BYTES]] = i, coverage[i].watermark
            fence_acquire()
            if (
                load_relaxed_u64(&head.coverage_generation) == coverage_now
                and load_relaxed_u64(&head.settings_generation) == settings_now
            ):
                return {
                    name_bytes.rstrip(b"\0").decode("ascii"): held
                    for name_bytes, held in watermarks.items()
                }
        return None

    def _covered(self, feed):
        cdef coverage_t *coverage = self.coverage() + <int>feed
        return tuple(
            (coverage.intervals[i].begin, coverage.intervals[i].end)
            for i in range(coverage.interval_count)
        )

    def counters(self):
        cdef counters_t *counted
        counters = []
        for worker in range(C_WORKERS_MAX):
            counted = self.worker_counters(worker)
            counters.append(
                WorkerCounters(
                    load_relaxed_u64(&counted.batches),
                    load_relaxed_u64(&counted.accepted),
                    load_relaxed_u64(&counted.untracked),
                    load_relaxed_u64(&counted.rejected),
                    load_acquire_u64(&counted.journalled),
                    load_relaxed_u64(&counted.spray),
                )
            )
        return counters

    @property
    def size_bytes(self):
        return self.head().segment_bytes

    @property
    def capacity_numbers(self):
        return self.head().capacity_numbers

    @property
    def ring_entries(self):
        return self.head().ring_entries

    @property
    def record_bytes(self):
        return RECORD_BYTES(self.head().ring_entries)

    @property
    def folder_id(self):
        return (<const char *>&self.head().folder_id[0])[:16]

    @property
    def boot_id(self):
        return (<const char *>&self.head().boot_id[0])[:16]

    @property
    def start_id(self):
        return (<const char *>&self.head().start_id[0])[:16]

    def set_whole(self, *, boot_id, start_id):
        if len(boot_id) != 16 or len(start_id) != 16:
            raise ValueError(f"boot_id, start_id: bytes={len(boot_id)}, {len(start_id)}, bound=16")
        memcpy(&self.head().boot_id[0], <const char *>boot_id, 16)
        memcpy(&self.head().start_id[0], <const char *>start_id, 16)

    @property
    def numbers(self):
        return load_acquire_u64(&self.head().numbers)

    @property
    def applied(self):
        return load_acquire_u64(&self.head().applied)

    @property
    def settings_generation(self):
        return load_acquire_u64(&self.head().settings_generation)

    @property
    def coverage_generation(self):
        return load_acquire_u64(&self.head().coverage_generation)


cdef str _name(const char *name):
    return name[:NAME_BYTES].rstrip(b"\0").decode("ascii")


cdef str _description(const text_t *text):
    return (<const char *>&text.utf8[0])[: text.bytes].decode("utf-8")


cdef object _rule(const rule_t *rule):
    kinds = frozenset(kind for kind in EventKind if rule.kinds >> <int>kind & 1)
    return Rule(Measure(rule.measure), rule.window_s, rule.limit, kinds)


cdef object _policy(const policy_t *policy, const text_t *description):
    if policy.name[0] == 0:
        return None
    return Policy(
        name=_name(policy.name),
        rules=tuple(_rule(&policy.rules[i]) for i in range(policy.rule_count)),
        minimum_age_s=policy.minimum_age_s,
        maximum_age_s=policy.maximum_age_s or None,
        quiet_period_s=policy.quiet_period_s,
        minimum_coverage=policy.minimum_coverage,
        description=_description(description),
        revision=policy.revision,
    )


cdef object _pool(const pool_t *pool, const text_t *description, policies, feeds):
    if pool.name[0] == 0:
        return None
    return Pool(
        name=_name(pool.name),
        policy=policies[pool.policy].name,
        required_feeds=tuple(feeds[pool.feeds[i]] for i in range(pool.feed_count)),
        description=_description(description),
        revision=pool.revision,
    )
