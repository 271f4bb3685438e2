"""Writes a snapshot of a table that workers and keeper change meanwhile.

The caller holds the lock of the data folder, writes one snapshot at a time, and has noted the
workers' positions and then the keeper's applied one before it calls. FORMATS.md says why.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from ringfence.engine.durable_files import sync
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.reading import read_spray
from ringfence.engine.snapshot import format as layout
from ringfence.engine.snapshot.errors import SnapshotError
from ringfence.engine.snapshot.folder import (
    remove_unfinished,
    snapshot_path,
    unfinished_path,
)
from ringfence.engine.snapshot.format import (
    FRAME,
    PART,
    PREAMBLE,
    TRAILER,
    Block,
    Kind,
    SnapshotHeader,
)
from ringfence.engine.snapshot.record_blocks import copy_callers, copy_records, copy_spray_map

SYNC_BYTES = 1 << 26
"""Written between two syncs: a journal's fsync waits behind no more of the snapshot than this."""

Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all, from the thread that called."""


def write_snapshot(
    segment: Segment,
    folder: Path,
    *,
    number: int,
    positions: Mapping[str, int],
    keeper_position: int,
    keeper_state: Iterable[bytes],
    hand_outs: Iterable[bytes] = (),
    taken_at: int,
    keeper_state_position: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Writes `folder`/snapshot-<number>.rfs, durable and whole when this returns; its path.

    Times are unix seconds. The parts of the keeper's state, less than 4 GiB each, and then the
    hand-outs, in pieces of any size, are written as they come, and none of them is kept.
    `keeper_state_position` is `keeper_position` unless given. Removes what killed writers left.
    Raises SnapshotError when the number is taken or the file cannot be written, and what comes out
    of the iterators; leaves nothing then, as far as the disk lets it.
    """
    target = snapshot_path(folder, number)
    written = unfinished_path(folder, number)
    header = SnapshotHeader(
        number=number,
        folder_id=segment.folder_id,
        ring_entries=segment.ring_entries,
        record_bytes=segment.record_bytes,
        numbers=segment.numbers,  # once: the journal has the records that come behind these
        taken_at=taken_at,
        positions=dict(positions),
        keeper_position=keeper_position,
        keeper_state_position=(
            keeper_position if keeper_state_position is None else keeper_state_position
        ),
        keeper_state_bytes=0,  # nobody knows yet
        block_bytes=layout.BLOCK_BYTES,
        spray=read_spray(segment),
    )
    try:
        header.check()
    except ValueError as error:
        raise SnapshotError(f"{target}: snapshot not written: {error}") from error
    if os.path.lexists(target):
        raise SnapshotError(f"{target}: snapshot not written: number={number} is taken")
    try:
        remove_unfinished(folder)
        fd = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write_file(fd, segment, header, keeper_state, hand_outs, progress=progress)
        finally:
            os.close(fd)
        os.rename(written, target)
        written = target
        sync(folder)
    except BaseException as error:
        # After a failed sync nobody knows what is on disk: better no snapshot than a doubtful one.
        with suppress(OSError):  # the disk may be gone: the first error is the one to tell
            written.unlink()
        if isinstance(error, OSError):
            raise SnapshotError(f"{target}: snapshot not written: {error}") from error
        raise
    return target


def _write_file(
    fd: int,
    segment: Segment,
    header: SnapshotHeader,
    keeper_state: Iterable[bytes],
    hand_outs: Iterable[bytes],
    *,
    progress: Progress | None,
) -> None:
    header_bytes = len(header.encode())
    _, table_bytes = _blocks(header, header_bytes)
    os.posix_fallocate(fd, 0, table_bytes)  # too little room is known now and not in an hour
    file = _BlockFile(fd, header_bytes)
    framed = (piece for part in keeper_state for piece in (PART.pack(len(part)), part))
    header = replace(
        header,
        keeper_state_bytes=file.write_all(Kind.KEEPER_STATE, framed, header.block_bytes),
        hand_outs_bytes=file.write_all(Kind.HAND_OUTS, hand_outs, header.block_bytes),
    )
    blocks, file_bytes = _blocks(header, header_bytes)
    os.posix_fallocate(fd, 0, file_bytes)
    buffer = np.empty(header.block_bytes // 8, np.uint64)
    for block in blocks[file.number :]:
        match block.kind:
            case Kind.RECORDS:
                payload = _copied_records(segment, block, buffer)
            case Kind.SPRAY_MAP:
                payload = _copied_spray_map(segment, block)
            case Kind.CALLERS:
                payload = _copied_callers(segment, block, buffer)
            case _:
                payload = memoryview(TRAILER.pack(len(blocks), file_bytes))
        file.write(block.kind, payload)
        if progress is not None:
            progress(file.offset, file_bytes)
    file.write_header(header.encode())
    os.fsync(fd)


def _blocks(header: SnapshotHeader, header_bytes: int) -> tuple[list[Block], int]:
    """All blocks of a file, and its bytes."""
    blocks = list(layout.layout(header, header_bytes))
    return blocks, blocks[-1].offset + FRAME.size + blocks[-1].size_bytes


class _BlockFile:
    """A snapshot as far as it is written; the header, which says how long it is, comes last."""

    def __init__(self, fd: int, header_bytes: int) -> None:
        self._fd = fd
        self._file_id = os.urandom(layout.FILE_ID_BYTES)
        self._synced = 0
        self.number = 1
        """Of the next block."""
        self.offset = PREAMBLE.size + FRAME.size + header_bytes
        """Where it goes."""

    def write(self, kind: Kind, payload: memoryview) -> None:
        """Writes the next block."""
        self._put(self.offset, self.number, kind, payload)
        self.number += 1
        self.offset += FRAME.size + len(payload)
        if self.offset - self._synced >= SYNC_BYTES:
            os.fdatasync(self._fd)
            self._synced = self.offset

    def write_all(self, kind: Kind, pieces: Iterable[bytes], block_bytes: int) -> int:
        """Writes pieces of any size as blocks of one; how many bytes it were."""
        block, filled, size_bytes = memoryview(bytearray(block_bytes)), 0, 0
        for piece in pieces:
            left = memoryview(piece)
            size_bytes += len(left)
            while left:
                taken = left[: block_bytes - filled]
                block[filled : filled + len(taken)] = taken
                filled += len(taken)
                left = left[len(taken) :]
                if filled == block_bytes:
                    self.write(kind, block)
                    filled = 0
        if filled:
            self.write(kind, block[:filled])
        return size_bytes

    def write_header(self, payload: bytes) -> None:
        """Writes what stands in front of all blocks that were written."""
        _write_whole(self._fd, 0, memoryview(layout.encode_preamble(layout.VERSION, self._file_id)))
        self._put(PREAMBLE.size, 0, Kind.HEADER, memoryview(payload))

    def _put(self, offset: int, number: int, kind: Kind, payload: memoryview) -> None:
        frame = layout.encode_frame(self._file_id, number, kind, payload)
        _write_whole(self._fd, offset, memoryview(frame))
        _write_whole(self._fd, offset + FRAME.size, payload)


def _copied_records(
    segment: Segment, block: Block, buffer: "np.ndarray[tuple[int], np.dtype[np.uint64]]"
) -> memoryview:
    copied = buffer[: block.size_bytes // 8]
    copy_records(segment, block.first_byte // segment.record_bytes, copied)
    return copied.data.cast("B")


def _copied_callers(
    segment: Segment, block: Block, buffer: "np.ndarray[tuple[int], np.dtype[np.uint64]]"
) -> memoryview:
    copied = buffer[: block.size_bytes // 8]
    copy_callers(segment, block.first_byte, copied)
    return copied.data.cast("B")


def _copied_spray_map(segment: Segment, block: Block) -> memoryview:
    copied = np.empty(block.size_bytes // 8, np.uint64)
    copy_spray_map(segment, copied)
    return copied.data.cast("B")


def _write_whole(fd: int, offset: int, content: memoryview) -> None:
    while content:
        written = os.pwrite(fd, content, offset)
        offset += written
        content = content[written:]
