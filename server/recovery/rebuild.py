"""Rebuilding a segment from disk: a snapshot, and what the journals hold behind it.

It begins with the newest snapshot that is whole, if there is any. Then comes what the keeper's
journal has behind it, in its order: headers and settings; then the journals of all workers, also
of those that no longer exist, in any order and several at once.
"""

import logging
import os
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from ringfence.engine.events.spray import adopt_spray
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.new_segment import new_segment
from ringfence.engine.snapshot import SnapshotDamaged, list_snapshots, load_snapshot
from ringfence.server.folder.installation import Installation
from ringfence.server.folder.journal_folders import KEEPER
from ringfence.server.folder.journal_list import MEND
from ringfence.server.journal.journal import JournalDamaged, JournalReader
from ringfence.server.journal.opened_journals import opened_journals
from ringfence.server.recovery.recovered import Recovered
from ringfence.server.recovery.replay import Replay, ReplayBase
from ringfence.server.state.keeper_image import read_settings

_log = logging.getLogger(__name__)


def rebuild(installation: Installation) -> Recovered:
    """Fills a new segment with what the newest snapshot and the journals hold."""
    cores = len(os.sched_getaffinity(0))
    with ExitStack() as held:
        threads = held.enter_context(ThreadPoolExecutor(cores, "recovery"))
        journals = held.enter_context(opened_journals(installation, over=threads.map))
        progress = held.enter_context(_progress())
        damaged: list[Path] = []
        segment, start = _load(installation, cores, damaged, progress)
        _check_there(installation, journals, start)
        keeper = journals.pop(KEEPER, None)
        _check_keeper(installation, keeper, journals.values())
        replay = Replay(segment, start, [keeper, *journals.values()], progress)
        if keeper is not None:
            replay.commands(keeper)
        events = replay.events(list(journals.values()), cores)
        if start.spray is not None:
            adopt_spray(segment, start.spray)  # journals repeat what other settings once decided
        for path in damaged:  # so that none of them counts as one of the two that are kept
            path.rename(path.with_suffix(".damaged"))
        source = start.snapshot or ("journal" if replay.values else "")
        return Recovered(source, replay.values, events)


def _progress() -> Progress:
    """Bars on a terminal; nothing elsewhere."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _load(
    installation: Installation, threads: int, damaged: list[Path], progress: Progress
) -> tuple[Segment, ReplayBase]:
    """A new segment with the newest snapshot that is whole, or with nothing in it."""
    folder = installation.snapshots
    found = list_snapshots(folder) if folder.exists() else []
    while found:
        segment = _new_segment(installation)
        bar = progress.add_task(f"loading {found[0].stem}")

        def show(done: int, total: int, bar: TaskID = bar) -> None:
            progress.update(bar, completed=done, total=total)

        try:
            header = load_snapshot(
                found[0],
                segment,
                threads=threads,
                progress=show,
            )
            image = read_settings(found[0])
        except SnapshotDamaged as error:
            _log.warning("%s; going on without it", error)
            damaged.append(error.path)
            found.remove(error.path)
            installation.segment_path.unlink()
            continue
        return segment, ReplayBase(
            found[0].stem, header.positions, header.keeper_position, image, header.spray
        )
    return _new_segment(installation), ReplayBase()


def _new_segment(installation: Installation) -> Segment:
    server = installation.config.server
    return new_segment(
        installation.segment_path,
        capacity_numbers=server.capacity_numbers,
        ring_entries=server.ring_entries,
        folder_id=installation.folder_id,
        spray=installation.config.spray_settings,
    )


def _check_there(
    installation: Installation, journals: Mapping[str, JournalReader], start: ReplayBase
) -> None:
    """A journal that a snapshot counts on must not be gone."""
    keeper_position = max(start.keeper_position, start.image.position)
    for name, position in {**start.positions, KEEPER: keeper_position}.items():
        if position and name not in journals:
            raise JournalDamaged(
                f"{installation.journal_folder(name)}: missing: {start.snapshot} was taken at"
                f" position={position}; {MEND}"
            )


def _check_keeper(
    installation: Installation, keeper: JournalReader | None, workers: Iterable[JournalReader]
) -> None:
    """Events were only ever taken for numbers that the keeper's journal knows."""
    if (keeper is None or not keeper.last) and any(worker.last for worker in workers):
        raise JournalDamaged(
            f"{installation.journal_folder(KEEPER)}: missing or empty: position=0,"
            f" while workers' journals hold events; {MEND}"
        )
