"""The shared memory of an installation: a file in /dev/shm, or anonymous memory."""

import os

from typing_extensions import disjoint_base

from ringfence.engine.answers import WorkerCounters

VERSION: int
CAPACITY_NUMBERS_MAX: int
RING_ENTRIES: tuple[int, ...]

class SegmentError(Exception):
    """The file is not a segment that this program can use; says what, limit and actual."""

@disjoint_base
class Segment:
    """A mapping of the shared segment drawn in `record.h`."""

    @staticmethod
    def create(
        path: str | os.PathLike[str] | None,
        *,
        capacity_numbers: int,
        ring_entries: int = 12,
        folder_id: bytes = ...,
        callers: int = 0,
    ) -> Segment:
        """Makes a segment with every page reserved and maps it; `path` None = anonymous memory.

        `ring_entries` (K) is one of RING_ENTRIES; a record has 32 + 8 K bytes. `callers` is the
        room of the caller table, 0 or a power of two. Raises SegmentError, with both figures when
        the file system has too little room, and leaves no file behind; FileExistsError when `path`
        exists.
        """
    @staticmethod
    def open(
        path: str | os.PathLike[str],
        *,
        capacity_numbers: int | None = None,
        ring_entries: int | None = None,
        folder_id: bytes | None = None,
        callers: int | None = None,
    ) -> Segment:
        """Maps an existing segment; a figure that is given must be the file's own.

        Raises SegmentError for a wrong magic, version, size or geometry, FileNotFoundError.
        """
    @staticmethod
    def bytes_needed(capacity_numbers: int, ring_entries: int = 12, callers: int = 0) -> int:
        """The size of such a segment in bytes."""
    def close(self) -> None:
        """Unmaps the segment; raises BufferError while an engine or an array still uses it."""
    def view(self) -> memoryview:
        """The whole mapping, writable; the segment cannot close while the view lives."""
    @property
    def size_bytes(self) -> int: ...
    @property
    def capacity_numbers(self) -> int: ...
    @property
    def ring_entries(self) -> int: ...
    @property
    def record_bytes(self) -> int: ...
    @property
    def records_offset(self) -> int:
        """Where the records begin, in bytes from the beginning of the mapping."""
    @property
    def folder_id(self) -> bytes: ...
    @property
    def boot_id(self) -> bytes:
        """The boot of the machine in which recovery was done; zeros = it is not yet."""
    @property
    def start_id(self) -> bytes:
        """The start of the server that used the segment last."""
    def set_whole(self, *, boot_id: bytes, start_id: bytes) -> None:
        """Says that recovery is done, and who may take the segment over; 16 bytes each."""
    @property
    def callers(self) -> int:
        """How many callers the caller table has room for; 0 = there is none."""
    @property
    def spray_callers(self) -> int:
        """Callers whose bit in the spray map is set."""
    @property
    def numbers(self) -> int:
        """Records that have been a number's, also FREE and EMPTY; at most `capacity_numbers`."""
    def end_inserts(self) -> None:
        """Says that no insert is under way: all processes that made any have ended."""
    @property
    def applied(self) -> int:
        """The position of the keeper's journal up to which headers are written."""
    @property
    def booted_at_ns(self) -> int:
        """Unix time less CLOCK_BOOTTIME, in nanoseconds, as the keeper said; 0 = not yet."""
    def publish_time(self, booted_at_ns: int) -> None:
        """Says from now on what time it is: `booted_at_ns`, from 1; the keeper alone does."""
    @property
    def settings_generation(self) -> int:
        """Counts the changes of pools and policies."""
    def counters(self) -> list[WorkerCounters]:
        """What each worker counted since the segment was made, by worker index."""
    @property
    def coverage_generation(self) -> int:
        """Changes with every change of what feeds have covered; odd = it is being changed."""
