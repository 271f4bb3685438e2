"""The shared memory of an installation: a file in /dev/shm, or anonymous memory.

Thread safety: making and opening are for one process at a time (the supervisor's lock on the data
folder sees to it); a mapping may be used by any number of processes, see `record.h`.
"""

import mmap
import os

from libc.string cimport memcpy
from libc.stdint cimport uint8_t, uint64_t

from ringfence.engine.memory.atomic cimport load_acquire_u64, load_relaxed_u64, store_release_u64
from ringfence.engine.memory.record cimport (
    BUCKET_CALLERS,
    COUNTERS_OFFSET,
    COVERAGE_OFFSET,
    MARK_BITS,
    PAGE_BYTES,
    RECORD_BYTES,
    RECORDS_OFFSET,
    SEGMENT_BYTES,
    SEGMENT_MAGIC,
    SEGMENT_VERSION,
    SETTINGS_BYTES,
    SETTINGS_OFFSET,
    SPRAY_OFFSET,
    WORKERS_MAX,
    counters_t,
    coverage_t,
    segment_t,
    settings_t,
)

from ringfence.engine.answers import WorkerCounters

VERSION = SEGMENT_VERSION
CAPACITY_NUMBERS_MAX = 1_000_000_000
RING_ENTRIES = (12, 28, 60, 124, 252)

class SegmentError(Exception):
    """The file is not a segment that this program can use; says what, limit and actual."""


def _check_geometry(capacity_numbers, ring_entries, callers):
    if not 1 <= capacity_numbers <= CAPACITY_NUMBERS_MAX:
        raise SegmentError(
            f"capacity_numbers: value={capacity_numbers}, bound=1 to {CAPACITY_NUMBERS_MAX}"
        )
    if ring_entries not in RING_ENTRIES:
        raise SegmentError(f"ring_entries: value={ring_entries}, bound=12, 28, 60, 124 or 252")
    if callers and (not BUCKET_CALLERS <= callers <= 1 << MARK_BITS or callers & (callers - 1)):
        raise SegmentError(
            f"callers: value={callers}, bound=0, or a power of two, {BUCKET_CALLERS} to "
            f"{1 << MARK_BITS}"
        )


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
    def create(path, *, capacity_numbers, ring_entries=12, folder_id=bytes(16), callers=0):
        _check_geometry(capacity_numbers, ring_entries, callers)
        if len(folder_id) != 16:
            raise SegmentError(f"folder_id: bytes={len(folder_id)}, bound=16")
        size_bytes = Segment.bytes_needed(capacity_numbers, ring_entries, callers)
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
        head.callers = callers
        head.epoch = 1
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
            _check_geometry(head.capacity_numbers, head.ring_entries, head.callers)
        except SegmentError as error:
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
        _check_geometry(capacity_numbers, ring_entries, callers)
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

    cdef counters_t *worker_counters(self, int worker) except NULL:
        self.head()
        if not 0 <= worker < WORKERS_MAX:
            raise ValueError(f"worker: value={worker}, bound=0 to {WORKERS_MAX - 1}")
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

    @property
    def callers(self):
        return self.head().callers

    @property
    def spray_callers(self):
        return load_relaxed_u64(&self.head().spray_callers)

    def counters(self):
        cdef counters_t *counted
        counters = []
        for worker in range(WORKERS_MAX):
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

    def end_inserts(self):
        for worker in range(WORKERS_MAX):
            store_release_u64(&self.worker_counters(worker).inserting, 0)

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
    def records_offset(self):
        return RECORDS_OFFSET(self.head().capacity_numbers)

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
    def booted_at_ns(self):
        return load_acquire_u64(&self.head().booted_at_ns)

    def publish_time(self, booted_at_ns):
        if not 0 < booted_at_ns < 1 << 63:
            raise ValueError(f"booted_at_ns: value={booted_at_ns}, bound=1 to 2^63 - 1")
        store_release_u64(&self.head().booted_at_ns, booted_at_ns)

    @property
    def settings_generation(self):
        return load_acquire_u64(&self.head().settings_generation)

    @property
    def coverage_generation(self):
        return load_acquire_u64(&self.head().coverage_generation)
