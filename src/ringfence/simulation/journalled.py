"""A history from the data folder of a server, running or not: what it still holds.

The folder is read as a backup reads it: snapshots stay as long as it takes, and journals are copied
beside their owners. Entries hold no callers, only marks, and when an event arrived nobody knows: it
counts as arrived when it happened. Robots are those that the server knows now, from the beginning.
What a full ring has displaced is gone once the journals are let go: that time was not observed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory import layout
from ringfence.engine.snapshot import (
    SnapshotDamaged,
    SnapshotError,
    list_snapshots,
)
from ringfence.engine.snapshot.format import Kind
from ringfence.engine.snapshot.read import SnapshotFile
from ringfence.engine.table.header_rows import (
    HEADER,
    latest_rows,
    numbers_of,
    observed_since_of,
    reasons_of,
    states_of,
)
from ringfence.engine.table.records import record_dtype
from ringfence.engine.words import EventKind, State
from ringfence.server.folder.journal_folders import KEEPER, journal_identity, journal_names
from ringfence.server.folder.secret_file import read_secret
from ringfence.server.folder.snapshot_lock import keep_snapshots
from ringfence.server.journal.event_value import decode_event_value
from ringfence.server.journal.journal import JournalDamaged, JournalReader
from ringfence.server.journal.keeper_values import headers_of, keeper_values
from ringfence.server.journal.lmdb_journal import copy_journal, open_for_replay
from ringfence.server.tools.data_copy import check_data_folder
from ringfence.simulation.history import HistoryError, Numbers, Taken
from ringfence.simulation.recorded import (
    WAS_BY_KIND,
    Columns,
    RecordedHistory,
    first_copies,
    places_of,
)

TIME_SHIFT = np.uint64(layout.TIME_SHIFT)
SPRAY = np.uint64(0x80)
KIND_MASK = np.uint64(0x7F)
MARK_SHIFT, MARK_BITS = np.uint64(layout.MARK_SHIFT), layout.MARK_MASK.bit_length()
SPRAY_KINDS = np.zeros(max(EventKind) + 1, np.bool_)  # as engine/verdict/verdict.pxd
SPRAY_KINDS[[EventKind.CALL, EventKind.SMS, EventKind.VOICEMAIL, EventKind.VIDEO]] = True

Rows = npt.NDArray[np.void]
Words = npt.NDArray[np.uint64]


def journalled_history(data: Path, waiting: Callable[[], None]) -> RecordedHistory:
    """The numbers that are tracked now, and all events of theirs that the folder still holds.

    It ends with the last thing that the folder knows of. `waiting` is called before it waits for a
    snapshot that is being taken. Raises WrongFolder, SecretDamaged, JournalError, SnapshotError,
    OSError, and HistoryError when no number is tracked.
    """
    check_data_folder(data)
    with _copied_journals(data, waiting) as (snapshot, keeper, workers):
        let_go = any(worker.first > 1 for worker in workers)
        if let_go and snapshot.ring_entries is None:
            raise SnapshotError(f"{data}: no whole snapshot stands for what journals have let go")
        headers, known_until = [snapshot.headers], [snapshot.taken_at]
        for _, value in keeper_values(keeper, snapshot.keeper_position):
            headers.append(headers_of(value))
            known_until.append(value.decided_at)
        taken = np.concatenate([snapshot.taken, *map(_journal_taken, workers)])
    _discount(taken[:, 1], snapshot.robots)
    numbers = _tracked(latest_rows(np.concatenate(headers)))
    if not numbers.number.size:
        raise HistoryError(f"{data}: no number is in quarantine: there is nothing to play")
    if let_go:  # of what a full ring has displaced, journals still have a part at most
        _observe_later(numbers, snapshot.full)
    place = places_of(numbers.number, taken[:, 0])
    known_until.append(int((taken[:, 1] >> TIME_SHIFT).max(initial=0)) + 1)
    counts = place >= 0
    counts[counts] = (taken[counts, 1] >> TIME_SHIFT) >= numbers.quarantined_at[place[counts]]
    order = np.flatnonzero(counts)[np.argsort(taken[counts, 1], kind="stable")]
    place, taken = place[order], taken[order]
    entry = taken[:, 1]
    occurred_at = (entry >> TIME_SHIFT).astype(np.uint32)
    was = WAS_BY_KIND[entry & KIND_MASK]
    was[entry & SPRAY != 0] = 0
    return RecordedHistory(
        numbers,
        Columns(place, occurred_at, occurred_at, was, first_copies(place, entry)),
        lambda part: Taken(taken[part].tobytes()),
        ends_at=max(known_until),
        knows_classes=False,
        ring_entries_most=snapshot.ring_entries,
        robots=int(np.count_nonzero(snapshot.robots)),
    )


class _Snapshot:
    """What the newest whole snapshot holds; nothing, when there is none."""

    def __init__(self, file: SnapshotFile | None) -> None:
        """Raises SnapshotDamaged."""
        self.keeper_position = self.taken_at = 0
        self.ring_entries: int | None = None
        self.robots = np.zeros(1 << MARK_BITS, np.bool_)
        """By caller mark: who is a spray caller."""
        headers, taken = [np.empty(0, HEADER)], [np.empty((0, 2), np.uint64)]
        full = [np.empty((0, 2), np.uint64)]
        if file is not None:
            self.keeper_position = file.header.keeper_position
            self.taken_at = file.header.taken_at
            self.ring_entries = file.header.ring_entries
            self.robots = _robots(file)
            for _, payload in file.read_blocks(Kind.RECORDS):
                records = np.frombuffer(payload, record_dtype(file.header.ring_entries))
                rows = np.zeros(records.size, HEADER)
                for name in ("key", "control", "quarantined_at", "override_at", "origin"):
                    rows[name] = records[name]
                headers.append(rows)
                taken.append(_ring_taken(records))
                full.append(_full_since(records))
        self.headers: Rows = np.concatenate(headers)
        self.taken: Words = np.concatenate(taken)
        """Number and entry of each event, as a journal would have it."""
        self.full: Words = np.concatenate(full)
        """Number and oldest time of each full ring: earlier events have been displaced, or may."""


def _robots(file: SnapshotFile) -> npt.NDArray[np.bool_]:
    (block,) = file.blocks_of(Kind.SPRAY_MAP)
    spray_map = bytearray(block.size_bytes)
    file.read(block, memoryview(spray_map))
    return np.unpackbits(np.frombuffer(spray_map, np.uint8), bitorder="little").view(np.bool_)


def _discount(entries: Words, robots: npt.NDArray[np.bool_]) -> None:
    """Says of all calls of robots that they are, as the server does, the earlier ones included.

    `robots` are those of the snapshot; whoever became one later has an entry that says so.
    """
    marks = entries >> MARK_SHIFT & np.uint64((1 << MARK_BITS) - 1)
    robots[marks[entries & SPRAY != 0]] = True
    discounted = robots[marks] & (marks != 0) & SPRAY_KINDS[entries & KIND_MASK]
    entries[discounted] |= SPRAY


def _ring_taken(records: Rows) -> Words:
    row, slot = np.nonzero(records["entries"])
    number = numbers_of(records)[row]
    return np.stack((number, records["entries"][row, slot]), axis=1)


def _full_since(records: Rows) -> Words:
    full = records[np.all(records["entries"] != 0, axis=1)]
    oldest = full["entries"].min(axis=1) >> TIME_SHIFT
    return np.stack((numbers_of(full), oldest), axis=1)


def _observe_later(numbers: Numbers, full: Words) -> None:
    """Nobody knows what came before the oldest entry of a full ring: it is no silence.

    Of a ring that reaches back to before the quarantine all is known that counts: no change.
    """
    place = places_of(numbers.number, full[:, 0])
    place, since = place[place >= 0], full[place >= 0, 1].astype(np.uint32)
    numbers.observed_since[place] = np.maximum(numbers.observed_since[place], since)


def _journal_taken(journal: JournalReader) -> Words:
    parts = []
    for position, data in journal.replay(journal.first - 1):
        try:
            taken = decode_event_value(data).taken
            parts.append(np.frombuffer(taken, np.uint64).reshape(-1, 2))
        except ValueError as error:
            raise JournalDamaged(f"{journal.folder}: {error}: position={position}") from None
    return np.concatenate(parts) if parts else np.empty((0, 2), np.uint64)


def _tracked(headers: Rows) -> Numbers:
    """The numbers that a command has not let go yet, ascending."""
    state = states_of(headers)
    rows = headers[(state >= State.QUARANTINED) & (state <= State.RESERVED)]
    rows = rows[np.argsort(numbers_of(rows))]
    return Numbers(
        numbers_of(rows),
        np.ascontiguousarray(rows["quarantined_at"]),
        observed_since_of(rows).astype(np.uint32),
        reasons_of(rows).astype(np.uint8),
        None,
    )


@contextmanager
def _copied_journals(
    data: Path, waiting: Callable[[], None]
) -> Iterator[tuple[_Snapshot, JournalReader, Sequence[JournalReader]]]:
    """The newest snapshot that is whole, the keeper's journal and those of all workers."""
    folder_id = read_secret(data / "folder_id")
    with TemporaryDirectory(prefix="ringfence-simulate-") as aside:

        def copied(name: str) -> JournalReader:
            identity = journal_identity(folder_id, name)
            copy_journal(data / "journal" / name, Path(aside, name), identity=identity)
            return open_for_replay(Path(aside, name), identity=identity)

        with keep_snapshots(data, waiting):
            snapshot = _newest_whole(data / "snapshots", folder_id)
            keeper = copied(KEEPER)
            workers = [copied(n) for n in journal_names(data / "journal") if n != KEEPER]
        with closing(keeper):
            try:
                yield snapshot, keeper, workers
            finally:
                for worker in workers:
                    worker.close()


def _newest_whole(folder: Path, folder_id: bytes) -> _Snapshot:
    for path in list_snapshots(folder) if folder.exists() else ():
        try:
            with SnapshotFile(path) as file:
                if file.header.folder_id != folder_id:
                    raise SnapshotError(f"{path}: snapshot of another data folder")
                return _Snapshot(file)
        except SnapshotDamaged:  # the one before it, or the journals alone, may be enough
            continue
    return _Snapshot(None)
