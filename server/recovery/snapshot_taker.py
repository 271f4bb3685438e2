"""Takes a snapshot of a running server, in a process of its own, and lets journals shrink.

The order is what makes it exact: the positions of the workers' journals, then the position up to
which commands are applied, then the keeper's state, which has a position of its own, and the table.
Whatever comes meanwhile is behind the positions, and replay brings it.
"""

import logging
import time

from ringfence.engine.durable_files import sync
from ringfence.engine.memory.one_time import OneTime
from ringfence.engine.snapshot import (
    KEPT,
    list_snapshots,
    prune_snapshots,
    read_header,
    snapshot_number,
    write_snapshot,
)
from ringfence.server.folder.installation import Installation
from ringfence.server.folder.journal_folders import KEEPER, journal_identity, worker_name
from ringfence.server.folder.snapshot_lock import change_snapshots
from ringfence.server.folder.truncation import publish_truncation
from ringfence.server.journal.truncation import truncate_orphan
from ringfence.server.link.signs_of_life import SignsOfLife
from ringfence.server.recovery.asked_image import asked_image
from ringfence.server.state.keeper_image import read_settings

_log = logging.getLogger(__name__)


def run_snapshot(installation: Installation, signs: SignsOfLife) -> None:
    """Takes one snapshot, removes those that are not needed, and says how far journals may go."""
    signs.ready()
    with change_snapshots(installation.data, lambda: _log.info("waiting for a backup")):
        _take(installation)
        prune_snapshots(installation.snapshots)
        _truncate(installation)


def _take(installation: Installation) -> None:
    began = time.monotonic()
    folder = installation.snapshots
    folder.mkdir(mode=0o700, exist_ok=True)
    sync(folder.parent)  # a snapshot that is durable needs a folder that is
    segment = installation.open_segment()
    positions = {
        worker_name(index): counted.journalled
        for index, counted in enumerate(segment.counters())
        if installation.journal_folder(worker_name(index)).exists()
    }
    applied = segment.applied  # after the positions: see the engine's FORMATS.md
    present = list_snapshots(folder)
    with asked_image(installation.keeper_address, positions) as image:
        path = write_snapshot(
            segment,
            folder,
            number=snapshot_number(present[0]) + 1 if present else 1,
            positions=positions,
            keeper_position=applied,
            keeper_state=image.parts(),
            hand_outs=image.hand_outs(),
            keeper_state_position=image.position,
            taken_at=OneTime(segment)(),
        )
    _log.info(
        "snapshot taken: %s, numbers=%d, in %.1fs",
        path.name,
        segment.numbers,
        time.monotonic() - began,
    )


def _truncate(installation: Installation) -> None:
    kept = list_snapshots(installation.snapshots)
    if len(kept) < KEPT:
        return
    older = read_header(kept[KEPT - 1])
    claims_upto = {
        journal.name: journal.position for journal in read_settings(kept[KEPT - 1]).journals
    }
    # The keeper reads claims from the workers' journals: what it has not taken stays.
    upto = {name: min(at, claims_upto.get(name, 0)) for name, at in older.positions.items()}
    upto[KEEPER] = older.keeper_position
    publish_truncation(installation.run_folder, upto)
    workers = {worker_name(index) for index in range(installation.config.server.workers)}
    for name in upto.keys() - workers - {KEEPER}:
        truncate_orphan(
            installation.journal_folder(name),
            upto[name],
            identity=journal_identity(installation.folder_id, name),
            map_size_bytes=installation.config.journal.map_size_bytes,
        )
