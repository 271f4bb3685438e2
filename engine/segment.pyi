"""The shared memory of an installation: a file in /dev/shm, or anonymous memory."""

import os
from collections.abc import Sequence

VERSION: int
NUMBERS_LIMIT: int
POOLS_MAX: int
POLICIES_MAX: int
FEEDS_MAX: int
FEED_INTERVALS_MAX: int
RULES_MAX: int
POOL_FEEDS_MAX: int
WORKERS_MAX: int
DESCRIPTION_BYTES_MAX: int
NUMBER_MIN: int
NUMBER_MAX: int

class SegmentError(Exception):
    """The file is not a segment that this program can use; says what, limit and actual."""

class Segment:
    """A mapping of the shared segment drawn in `record.h`."""

    @staticmethod
    def create(
        path: str | os.PathLike[str] | None,
        *,
        capacity_numbers: int,
        ring_entries: int = 12,
        folder_id: bytes = ...,
    ) -> Segment:
        """Makes a segment with every page reserved and maps it; `path` None = anonymous memory.

        `ring_entries` (K) is 12, 28 or 60: 128, 256 or 512 bytes a record. Raises SegmentError
        with both figures when the file system has too little room, and leaves no file behind;
        FileExistsError when `path` exists.
        """
    @staticmethod
    def open(
        path: str | os.PathLike[str],
        *,
        capacity_numbers: int | None = None,
        ring_entries: int | None = None,
        folder_id: bytes | None = None,
    ) -> Segment:
        """Maps an existing segment; a figure that is given must be the file's own.

        Raises SegmentError for a wrong magic, version, size or geometry, FileNotFoundError.
        """
    @staticmethod
    def bytes_needed(capacity_numbers: int, ring_entries: int = 12) -> int:
        """The size of such a segment in bytes."""
    def close(self) -> None:
        """Unmaps the segment; raises BufferError while an engine or an array still uses it."""
    @property
    def size_bytes(self) -> int: ...
    @property
    def capacity_numbers(self) -> int: ...
    @property
    def slots(self) -> int: ...
    @property
    def ring_entries(self) -> int: ...
    @property
    def record_bytes(self) -> int: ...
    @property
    def folder_id(self) -> bytes: ...
    @property
    def numbers(self) -> int:
        """Slots that belong to a number, FREE ones too; at most `capacity_numbers`."""
    @property
    def settings_generation(self) -> int:
        """Counts changes of pools, policies and coverage; odd while one is written."""
    def counters(self) -> list[WorkerCounters]:
        """What each worker counted since the segment was made, by worker index."""
    def policies(self) -> Sequence[Policy]:
        """The policies as published, by index; raises SegmentError while they never settle."""
    def pools(self) -> Sequence[Pool]:
        """The pools as published, by index."""
    def feeds(self) -> Sequence[Feed]:
        """The feeds as published, by index, with their covered intervals."""

class WorkerCounters:
    batches: int
    accepted: int
    untracked: int
    rejected: int

