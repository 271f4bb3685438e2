"""Loads a snapshot into a new segment, in several threads that do without the GIL.

Blocks go straight into the segment's memory and are checked there; then FREE records that nobody
needs go; then the index is made. The records come first as a whole, so that nothing of a damaged
file is ever found through the index.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ringfence.engine.events.spray import adopt_spray
from ringfence.engine.memory.layout import SINCE_SHIFT
from ringfence.engine.memory.segment import Segment
from ringfence.engine.snapshot.errors import SnapshotError
from ringfence.engine.snapshot.format import Block, Kind, SnapshotHeader
from ringfence.engine.snapshot.read import SnapshotFile, free_numbers, free_rows
from ringfence.engine.snapshot.record_blocks import (
    callers_memory,
    index_records,
    records_memory,
    set_numbers,
    spray_map_memory,
)
from ringfence.engine.table.header_rows import key_numbers
from ringfence.engine.words import FORMER_LIFE_S

Records = npt.NDArray[np.intp]


def load_snapshot(
    path: Path,
    segment: Segment,
    *,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
    drop_free_also_in: Path | None = None,
) -> SnapshotHeader:
    """Fills a new, empty segment with records, spray map and callers of a snapshot; its header.

    `progress` is told bytes of records done and in all. Numbers that are FREE here and in the
    snapshot `drop_free_also_in`, and whose former life was over when this one was taken, get no
    record; then the segment has fewer numbers than the header.
    After this the replay of the keeper's journal from the header's position is due: a header that
    changed during the copy may be in halves, with an even generation.

    Raises SnapshotDamaged (of either file: see its path), SnapshotNewer, and SnapshotError for a
    segment of another data folder, with less room, another K or numbers in it. After
    SnapshotDamaged the segment must not be used; in all other cases it is still empty.
    """
    with SnapshotFile(path) as file:
        _check_fits(file, segment)
        for kind in (Kind.KEEPER_STATE, Kind.HAND_OUTS):
            file.check(kind)  # no table without its keeper's state
        with ThreadPoolExecutor(threads, thread_name_prefix="snapshot") as pool:
            free = _read_records(file, segment, pool, progress)
            over = _former_lives_over(segment, free, file.header.taken_at)
            unneeded = _also_free_in(drop_free_also_in, segment, over)
            _read_spray(file, segment, pool)
            numbers = _close_gaps(segment, file.header.numbers, unneeded)
            _index(file, segment, pool, numbers)
        set_numbers(segment, numbers)
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
) -> Records:
    """Brings all records into their places; returns which are FREE."""

    def read(block: Block) -> tuple[int, Records]:
        first = block.first_byte // segment.record_bytes
        memory = records_memory(segment, first, block.size_bytes)
        file.read(block, memory)
        rows = np.frombuffer(memory, np.uint64).reshape(-1, segment.record_bytes // 8)
        return block.size_bytes, first + free_rows(rows)

    found, done = [np.empty(0, np.intp)], 0
    for size_bytes, free in pool.map(read, file.blocks_of(Kind.RECORDS)):
        found.append(free)
        done += size_bytes
        if progress is not None:
            progress(done, file.header.records_bytes)
    return np.concatenate(found)


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


def _words(segment: Segment, records: Records, word: int) -> npt.NDArray[np.uint64]:
    """A word of some records, which ascend."""
    if not records.size:
        return np.empty(0, np.uint64)
    end = (int(records[-1]) + 1) * segment.record_bytes
    rows = np.frombuffer(records_memory(segment, 0, end), np.uint64)
    words: npt.NDArray[np.uint64] = rows.reshape(-1, segment.record_bytes // 8)[records, word]
    return words


def _former_lives_over(segment: Segment, free: Records, taken_at: int) -> Records:
    """Those of the FREE records of which nobody need know any more when they were last tracked."""
    last_tracked_at = _words(segment, free, 1) >> np.uint64(SINCE_SHIFT)
    return free[last_tracked_at + np.uint64(FORMER_LIFE_S) <= np.uint64(taken_at)]


def _also_free_in(older: Path | None, segment: Segment, free: Records) -> Records:
    """Those of the FREE records whose numbers another snapshot has as FREE too."""
    if older is None or not free.size:
        return np.empty(0, np.intp)
    numbers = key_numbers(_words(segment, free, 0))
    return free[np.isin(numbers, free_numbers(older))]


def _close_gaps(segment: Segment, numbers: int, unneeded: Records) -> int:
    """Moves the last records to the places of those to drop; returns how many stay."""
    if not unneeded.size:
        return numbers
    memory = records_memory(segment, 0, numbers * segment.record_bytes)
    rows = np.frombuffer(memory, np.uint64).reshape(numbers, -1)
    kept = numbers - unneeded.size
    rows[unneeded[unneeded < kept]] = rows[np.setdiff1d(np.arange(kept, numbers), unneeded)]
    rows[kept:] = 0
    return kept


def _index(file: SnapshotFile, segment: Segment, pool: ThreadPoolExecutor, numbers: int) -> None:
    """Makes all records findable."""
    share = file.header.block_bytes // segment.record_bytes

    def index(first: int) -> int | None:
        return index_records(segment, first, min(share, numbers - first))

    for wrong_at in pool.map(index, range(0, numbers, share)):
        if wrong_at is not None:
            block = file.blocks_of(Kind.RECORDS)[wrong_at // share]
            raise file.damaged(f"record={wrong_at} of {numbers} has no number of its own", block)
