"""Recovery: at a start, makes the segment and brings back what was acknowledged before.

It runs in a process of its own, under the lock of the data folder and before any other touches
segment or journals. It begins with the newest snapshot that is whole, if there is any. Then comes
what the keeper's journal has behind it, in its order: headers and settings; then the journals of
all workers, also of those that no longer exist, in any order and several at once.
"""

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ringfence.engine.control import TableWriter
from ringfence.engine.core import Engine
from ringfence.engine.journal import JournalDamaged, JournalError, JournalReader
from ringfence.engine.journal_lmdb import DATA, open_for_replay
from ringfence.engine.segment import Segment, SegmentError
from ringfence.engine.snapshot import (
    SnapshotDamaged,
    SnapshotError,
    list_snapshots,
    load_snapshot,
    read_keeper_state,
)
from ringfence.server.event_value import decode_event_value
from ringfence.server.installation import KEEPER, WORKER, Installation
from ringfence.server.keeper import keeper_values
from ringfence.server.keeper_state import KeeperState
from ringfence.server.keeper_value_pb2 import KeeperValue
from ringfence.server.recovered import Recovered

_WORKER = re.compile(rf"{WORKER}\d+", re.ASCII)
_Value = TypeVar("_Value")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Start:
    """What replay goes on from: a snapshot, or nothing."""

    snapshot: str = ""
    positions: Mapping[str, int] = field(default_factory=dict)
    keeper_position: int = 0
    settings: KeeperValue = field(default_factory=KeeperValue)


def run_recovery(installation: Installation) -> None:
    """Leaves a `Recovered` in the run folder, with a refusal when the server must not start."""
    try:
        recovered = _recover(installation)
    except (JournalError, SnapshotError) as error:
        recovered = Recovered(
            refusal=f"{error}; `ringfence data verify {installation.data}` says more"
        )
    except (SegmentError, OSError) as error:
        recovered = Recovered(refusal=str(error))
    recovered.write(installation.run_folder)


def _recover(installation: Installation) -> Recovered:
    began = time.monotonic()
    with ExitStack() as held:
        cores = len(os.sched_getaffinity(0))
        threads = held.enter_context(ThreadPoolExecutor(cores, "recovery"))
        names = _journal_names(installation)
        folders = [installation.journal_folder(name) for name in names]
        journals = {
            name: held.enter_context(closing(journal))
            for name, journal in zip(names, threads.map(open_for_replay, folders), strict=True)
        }
        damaged: list[Path] = []
        segment, start = _load(installation, cores, damaged)
        _check_there(installation, journals, start)
        keeper = journals.pop(KEEPER, None)
        _check_keeper(installation, keeper, journals.values())
        replay = held.enter_context(_Replay(segment, start, [keeper, *journals.values()]))
        if keeper is not None:
            replay.commands(keeper)
        events = sum(threads.map(replay.events, journals.values()))
        for path in damaged:  # so that none of them counts as one of the two that are kept
            path.rename(path.with_suffix(".damaged"))
        return Recovered(start.snapshot, replay.values, events, time.monotonic() - began)


def _load(installation: Installation, threads: int, damaged: list[Path]) -> tuple[Segment, _Start]:
    """A new segment with the newest snapshot that is whole, or with nothing in it."""
    folder = installation.snapshots
    for path in list_snapshots(folder) if folder.exists() else []:
        segment = _new_segment(installation)
        try:
            header = load_snapshot(path, segment, threads=threads)
            settings = KeeperValue.FromString(read_keeper_state(path))
        except SnapshotDamaged as error:
            _log.warning("%s; going on without it", error)
            damaged.append(path)
            installation.segment_path.unlink()
            continue
        return segment, _Start(path.stem, header.positions, header.keeper_position, settings)
    return _new_segment(installation), _Start()


def _new_segment(installation: Installation) -> Segment:
    server = installation.config.server
    return Segment.create(
        installation.segment_path,
        capacity_numbers=server.capacity_numbers,
        ring_entries=server.ring_entries,
        folder_id=installation.folder_id,
    )


class _Replay:
    """Journals into a segment; shows on a terminal how far it is.

    Thread safety: `events` in any number of threads, each with a journal of its own, after
    `commands`.
    """

    def __init__(
        self, segment: Segment, start: _Start, journals: list[JournalReader | None]
    ) -> None:
        self.values = 0
        self._segment = segment
        self._start = start
        self._lock = threading.Lock()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._bar = self._progress.add_task(
            "replaying journals",
            total=sum(journal.last - self._after(journal) for journal in journals if journal),
        )

    def __enter__(self) -> "_Replay":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def commands(self, journal: JournalReader) -> None:
        """All headers and settings, in the order of their commands."""
        state = KeeperState(self._segment, TableWriter(self._segment))
        after = self._after(journal)
        state.rebuild(after, self._start.settings, self._counted(keeper_values(journal, after)))

    def events(self, journal: JournalReader) -> int:
        """All events of one worker; how many of them found their number."""
        name = journal.folder.name
        engine = Engine(self._segment, worker=int(name.removeprefix(WORKER)))
        inserted = 0
        for position, data in self._counted(journal.replay(self._after(journal))):
            try:
                inserted += engine.repeat(decode_event_value(data).taken)
            except ValueError as error:
                raise JournalDamaged(f"{journal.folder}: {error}: position={position}") from None
        engine.set_journalled(journal.last)
        return inserted

    def _after(self, journal: JournalReader) -> int:
        name = journal.folder.name
        if name == KEEPER:
            return self._start.keeper_position
        return self._start.positions.get(name, 0)

    def _counted(self, values: Iterator[_Value]) -> Iterator[_Value]:
        for value in values:
            yield value
            with self._lock:
                self.values += 1
            self._progress.advance(self._bar)


def _journal_names(installation: Installation) -> list[str]:
    """All journals there are, found by listing: workers may have been more than now."""
    if not installation.journals.exists():
        return []
    return sorted(
        folder.name
        for folder in installation.journals.iterdir()
        if (folder.name == KEEPER or _WORKER.fullmatch(folder.name)) and (folder / DATA).exists()
    )


def _check_there(
    installation: Installation, journals: Mapping[str, JournalReader], start: _Start
) -> None:
    """A journal that a snapshot counts on must not be gone."""
    for name, position in {**start.positions, KEEPER: start.keeper_position}.items():
        if position and name not in journals:
            raise JournalDamaged(
                f"{installation.journal_folder(name)}: missing: {start.snapshot} was taken at"
                f" position={position}"
            )


def _check_keeper(
    installation: Installation, keeper: JournalReader | None, workers: Iterable[JournalReader]
) -> None:
    """Events were only ever taken for numbers that the keeper's journal knows."""
    if (keeper is None or not keeper.last) and any(worker.last for worker in workers):
        raise JournalDamaged(
            f"{installation.journal_folder(KEEPER)}: missing or empty: position=0,"
            " while workers' journals hold events"
        )
