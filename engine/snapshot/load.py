"""Loads a snapshot into a new segment, in several threads that do without the GIL.

Blocks go straight into the segment's memory and are checked there; then the index is made. The
records come first as a whole, so that nothing of a damaged file is ever found through the index.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ringfence.engine.events.spray import adopt_spray
from ringfence.engine.memory.segment import Segment
from ringfence.engine.snapshot.errors import SnapshotError
from ringfence.engine.snapshot.format import Block, Kind, SnapshotHeader
from ringfence.engine.snapshot.read import SnapshotFile
from ringfence.engine.snapshot.record_blocks import (
    callers_memory,
    index_records,
    records_memory,
    set_numbers,
    settle_doubles,
    spray_map_memory,
)


def load_snapshot(
    path: Path,
    segment: Segment,
    *,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
) -> SnapshotHeader:
    """Fills a new, empty segment with records, spray map and callers of a snapshot; its header.

    `progress` is told bytes of records done and in all.
    After this the replay of the keeper's journal from the header's position is due: a header that
    changed during the copy may be in halves, with an even generation.

    Raises SnapshotDamaged, SnapshotNewer, and SnapshotError for a segment of another data folder,
    with less room, another K or numbers in it. After SnapshotDamaged the segment must not be used;
    in all other cases it is still empty.
    """
    with SnapshotFile(path) as file:
        _check_fits(file, segment)
        for kind in (Kind.KEEPER_STATE, Kind.HAND_OUTS):
            file.check(kind)  # no table without its keeper's state
        with ThreadPoolExecutor(threads, thread_name_prefix="snapshot") as pool:
            _read_records(file, segment, pool, progress)
            _read_spray(file, segment, pool)
            _index(file, segment, pool)
        set_numbers(segment, file.header.numbers)
        adopt_spray(segment, file.header.spray)
        return file.header


def _check_fits(file: SnapshotFile, segment: Segment) -> None:
    header = file.header
    if segment.numbers:
        raise SnapshotError(f"{file.path}: segment in use: numbers={segment.numbers}, bound=0")
    if segment.folder_id != header.folder_id:
        raise SnapshotError(
            f"{file.path}: snapshot of another data folder: folder_id={header.folder_id.hex()}, "
            f"segment={segment.folder_id.hex()}"
        )
    if segment.ring_entries != header.ring_entries:
        raise SnapshotError(
            f"{file.path}: snapshot of another K: ring_entries={header.ring_entries}, "
            f"segment={segment.ring_entries}"
        )
    if segment.capacity_numbers < header.numbers:
        raise SnapshotError(
            f"{file.path}: too little room in the table: numbers={header.numbers}, "
            f"capacity={segment.capacity_numbers}"
        )


def _read_records(
    file: SnapshotFile,
    segment: Segment,
    pool: ThreadPoolExecutor,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Brings all records into their places."""

    def read(block: Block) -> int:
        first = block.first_byte // segment.record_bytes
        file.read(block, records_memory(segment, first, block.size_bytes))
        return block.size_bytes

    done = 0
    for size_bytes in pool.map(read, file.blocks_of(Kind.RECORDS)):
        done += size_bytes
        if progress is not None:
            progress(done, file.header.records_bytes)


def _read_spray(file: SnapshotFile, segment: Segment, pool: ThreadPoolExecutor) -> None:
    """Brings the spray map into its place, and the caller table if it is of the same size."""
    (spray_map,) = file.blocks_of(Kind.SPRAY_MAP)
    file.read(spray_map, spray_map_memory(segment))
    if file.header.spray.callers != segment.callers:
        file.check(Kind.CALLERS)  # this one begins anew: nobody can say where the calls belong
        return

    def read(block: Block) -> None:
        file.read(block, callers_memory(segment, block.first_byte, block.size_bytes))

    for _ in pool.map(read, file.blocks_of(Kind.CALLERS)):
        pass


def _index(file: SnapshotFile, segment: Segment, pool: ThreadPoolExecutor) -> None:
    """Makes all records findable."""
    numbers = file.header.numbers
    share = file.header.block_bytes // segment.record_bytes

    def index(first: int) -> npt.NDArray[np.uint64]:
        return index_records(segment, first, min(share, numbers - first))

    try:
        found = list(pool.map(index, range(0, numbers, share)))
    except ValueError as error:
        raise file.damaged(str(error), file.blocks_of(Kind.RECORDS)[0]) from None
    for doubles in found:
        settle_doubles(segment, doubles)
