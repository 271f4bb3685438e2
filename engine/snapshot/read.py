"""Reads a snapshot: every byte is checked before anybody sees it."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType

from ringfence.engine.snapshot import format as layout
from ringfence.engine.snapshot.errors import SnapshotDamaged, SnapshotError, SnapshotNewer
from ringfence.engine.snapshot.folder import list_snapshots
from ringfence.engine.snapshot.format import (
    FRAME,
    PART,
    PREAMBLE,
    TRAILER,
    Block,
    Kind,
    SnapshotHeader,
)


class SnapshotFile:
    """An open snapshot whose preamble, header, trailer and length are right.

    Thread safety: any number of threads may `read` at once.
    """

    def __init__(self, path: Path) -> None:
        """Raises SnapshotDamaged, SnapshotNewer, and SnapshotError when it cannot be opened."""
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SnapshotError(f"{path}: snapshot not opened: {error}") from error
        try:
            self.version, self._file_id = self._read_preamble()
            self.header, self.blocks = self._read_header()
            self._check_trailer()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "SnapshotFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        os.close(self._fd)

    def blocks_of(self, kind: Kind) -> list[Block]:
        """The blocks that hold this, in their order."""
        return [block for block in self.blocks if block.kind is kind]

    def read(self, block: Block, into: memoryview) -> None:
        """Fills `into`, as long as the block's payload, and checks it; raises SnapshotDamaged.

        What is in `into` must not be used then. Releases the GIL.
        """
        frame = bytearray(FRAME.size)
        expected = FRAME.size + block.size_bytes
        try:
            size_bytes = os.preadv(self._fd, [frame, into], block.offset)
            if size_bytes != expected:
                raise ValueError(f"cut short: bytes={size_bytes}, expected={expected}")
            layout.check_frame(self._file_id, block, bytes(frame), into)
        except (OSError, ValueError) as error:
            raise self.damaged(str(error), block) from error

    def read_blocks(self, kind: Kind) -> Iterator[tuple[Block, memoryview]]:
        """The payloads of one kind, one after the other, in memory that the next one reuses."""
        buffer = memoryview(bytearray(self.header.block_bytes))
        for block in self.blocks_of(kind):
            payload = buffer[: block.size_bytes]
            self.read(block, payload)
            yield block, payload

    def check(self, kind: Kind) -> None:
        """Reads all of one kind; raises SnapshotDamaged."""
        for _ in self.read_blocks(kind):
            pass

    def damaged(self, what: str, block: Block) -> SnapshotDamaged:
        """The error that names a block of this file."""
        return SnapshotDamaged(self.path, what, offset=block.offset, block=block.number)

    def _read_preamble(self) -> tuple[int, bytes]:
        try:
            version, file_id = layout.decode_preamble(os.pread(self._fd, PREAMBLE.size, 0))
        except (OSError, ValueError) as error:
            raise SnapshotDamaged(self.path, str(error), offset=0) from error
        if version > layout.VERSION:
            raise SnapshotNewer(self.path, version, layout.VERSION)
        if version < layout.OLDEST_VERSION:
            raise SnapshotError(
                f"{self.path}: snapshot of a format that never was: version={version}, "
                f"limit={layout.OLDEST_VERSION}"
            )
        return version, file_id

    def _read_header(self) -> tuple[SnapshotHeader, list[Block]]:
        first = Block(0, Kind.HEADER, PREAMBLE.size, 0, 0)
        try:
            frame = os.pread(self._fd, FRAME.size, PREAMBLE.size)
        except OSError as error:
            raise self.damaged(str(error), first) from error
        if len(frame) < FRAME.size:
            raise self.damaged(f"cut short: bytes={len(frame)}, expected={FRAME.size}", first)
        size_bytes = FRAME.unpack(frame)[2]
        if size_bytes > layout.BLOCK_BYTES_MAX:
            raise self.damaged(f"bytes={size_bytes}, limit={layout.BLOCK_BYTES_MAX}", first)
        first = first._replace(size_bytes=size_bytes)
        payload = bytearray(size_bytes)
        self.read(first, memoryview(payload))
        try:
            header = SnapshotHeader.decode(bytes(payload))
        except ValueError as error:
            raise self.damaged(str(error), first) from error
        return header, list(layout.layout(header, size_bytes))

    def _check_trailer(self) -> None:
        """A file that was cut, or is longer than it says, is known before all of it is read."""
        trailer = self.blocks[-1]
        size_bytes = os.fstat(self._fd).st_size
        expected = trailer.offset + FRAME.size + trailer.size_bytes
        if size_bytes != expected:
            what = f"length of the file: bytes={size_bytes}, expected={expected}"
            raise SnapshotDamaged(self.path, what, offset=min(size_bytes, expected))
        payload = bytearray(trailer.size_bytes)
        self.read(trailer, memoryview(payload))
        if TRAILER.unpack(payload) != (len(self.blocks), expected):
            raise self.damaged(
                f"trailer: blocks, bytes={TRAILER.unpack(payload)}, "
                f"expected={(len(self.blocks), expected)}",
                trailer,
            )


def read_header(path: Path) -> SnapshotHeader:
    """What a snapshot says of itself; its header, trailer and length are checked, no more.

    Raises SnapshotDamaged, SnapshotNewer, SnapshotError.
    """
    with SnapshotFile(path) as file:
        return file.header


def snapshot_taken_at(folder: Path, place: int) -> int:
    """When a snapshot was taken, unix seconds, by its place from the newest one, which is 0; 0 =
    there is none that can be read.
    """
    try:
        return next((read_header(path).taken_at for path in list_snapshots(folder)[place:]), 0)
    except (FileNotFoundError, SnapshotError):
        return 0


def read_keeper_state(path: Path) -> Generator[bytes, None, None]:
    """The parts of its state that the keeper gave, in their order; a file of before they were
    invented has one. No more than one of them is held.

    Raises SnapshotDamaged, SnapshotNewer, SnapshotError.
    """
    with SnapshotFile(path) as file:
        payloads = file.read_blocks(Kind.KEEPER_STATE)
        if file.version < layout.PARTS_VERSION:
            yield b"".join(bytes(payload) for _, payload in payloads)
            return
        left = bytearray()
        for _, payload in payloads:
            left += payload
            at = 0
            while (end := _end_of_part(left, at)) <= len(left):
                yield bytes(left[at + PART.size : end])
                at = end
            del left[:at]
        if left:
            *_, last = file.blocks_of(Kind.KEEPER_STATE)
            raise file.damaged(f"part cut short: bytes={len(left)}", last)


def _end_of_part(parts: bytearray, at: int) -> int:
    """Where the part that begins there ends: beyond all of it as long as that cannot be said."""
    begin = at + PART.size
    if len(parts) < begin:
        return begin
    size_bytes: int = PART.unpack_from(parts, at)[0]
    return begin + size_bytes


def read_hand_outs(path: Path) -> Iterator[memoryview]:
    """The hand-outs that the keeper gave, in pieces, in memory that the next one reuses.

    Raises SnapshotDamaged, SnapshotNewer, SnapshotError.
    """
    with SnapshotFile(path) as file:
        for _, payload in file.read_blocks(Kind.HAND_OUTS):
            yield payload


def check_snapshot(
    path: Path, progress: Callable[[int, int], None] | None = None
) -> SnapshotHeader:
    """Reads and checks every byte of a snapshot; its header.

    `progress` is told bytes done and in all. Raises SnapshotDamaged with the block that is wrong
    and its offset, SnapshotNewer, SnapshotError.
    """
    with SnapshotFile(path) as file:
        file_bytes = file.blocks[-1].offset + FRAME.size + file.blocks[-1].size_bytes
        buffer = memoryview(bytearray(max(block.size_bytes for block in file.blocks)))
        for block in file.blocks:
            file.read(block, buffer[: block.size_bytes])
            if progress is not None:
                progress(block.offset + FRAME.size + block.size_bytes, file_bytes)
        return file.header
