"""Writes a snapshot of a table that workers and keeper change meanwhile.

The caller holds the lock of the data folder, writes one snapshot at a time, and has noted the
workers' positions and then the keeper's applied one before it calls. FORMATS.md says why.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
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
from ringfence.engine.snapshot.format import FRAME, TRAILER, Block, Kind, SnapshotHeader
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
    keeper_state: bytes,
    taken_at: int,
    keeper_state_position: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Writes `folder`/snapshot-<number>.rfs, durable and whole when this returns; its path.

    Times are unix seconds. `keeper_state_position` is `keeper_position` unless given. Removes what
    killed writers left. Raises SnapshotError when the number is taken or the file cannot be
    written, and leaves nothing then, as far as the disk lets it.
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
        keeper_state_bytes=len(keeper_state),
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
            _write_file(fd, segment, header, memoryview(keeper_state), progress)
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
    keeper_state: memoryview,
    progress: Progress | None,
) -> None:
    file_id = os.urandom(layout.FILE_ID_BYTES)
    encoded = header.encode()
    blocks = list(layout.layout(header, len(encoded)))
    file_bytes = blocks[-1].offset + FRAME.size + blocks[-1].size_bytes
    os.posix_fallocate(fd, 0, file_bytes)  # too little room is known now and not in an hour
    _write_whole(fd, memoryview(layout.encode_preamble(layout.VERSION, file_id)))
    buffer = np.empty(header.block_bytes // 8, np.uint64)
    synced = 0
    for block in blocks:
        match block.kind:
            case Kind.HEADER:
                payload = memoryview(encoded)
            case Kind.KEEPER_STATE:
                payload = keeper_state[block.first_byte : block.first_byte + block.size_bytes]
            case Kind.RECORDS:
                payload = _copied_records(segment, block, buffer)
            case Kind.SPRAY_MAP:
                payload = _copied_spray_map(segment, block)
            case Kind.CALLERS:
                payload = _copied_callers(segment, block, buffer)
            case Kind.TRAILER:
                payload = memoryview(TRAILER.pack(len(blocks), file_bytes))
        _write_whole(
            fd, memoryview(layout.encode_frame(file_id, block.number, block.kind, payload))
        )
        _write_whole(fd, payload)
        if block.offset - synced >= SYNC_BYTES:
            os.fdatasync(fd)
            synced = block.offset
        if progress is not None:
            progress(block.offset + FRAME.size + block.size_bytes, file_bytes)
    os.fsync(fd)


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


def _write_whole(fd: int, content: memoryview) -> None:
    while content:
        content = content[os.write(fd, content) :]
