"""Takes a snapshot of a running server, in a process of its own, and lets journals shrink.

The order is what makes it exact: the positions of the workers' journals, then the position up to
which commands are applied, then settings and table. Whatever comes meanwhile is behind the
positions, and replay brings it.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from ringfence.engine.segment import Segment
from ringfence.engine.snapshot import (
    SnapshotError,
    list_snapshots,
    prune_snapshots,
    read_header,
    snapshot_number,
    write_snapshot,
)
from ringfence.server.installation import KEEPER, Installation, worker_name
from ringfence.server.keeper_value_pb2 import KeeperValue
from ringfence.server.setting_messages import policy_message, pool_message
from ringfence.server.truncation import publish_truncation, truncate_orphan

KEPT = 2

_log = logging.getLogger(__name__)


def run_snapshot(installation: Installation, ready: Callable[[], None]) -> None:
    """Takes one snapshot, removes those that are not needed, and says how far journals may go."""
    ready()
    began = time.monotonic()
    folder = installation.snapshots
    folder.mkdir(mode=0o700, exist_ok=True)
    segment = installation.open_segment()
    positions = {
        worker_name(index): counted.journalled
        for index, counted in enumerate(segment.counters())
        if installation.journal_folder(worker_name(index)).exists()
    }
    applied = segment.applied  # after the positions: see the engine's FORMATS.md
    present = list_snapshots(folder)
    path = write_snapshot(
        segment,
        folder,
        number=snapshot_number(present[0]) + 1 if present else 1,
        positions=positions,
        keeper_position=applied,
        keeper_state=_settings(segment).SerializeToString(),
        taken_at=int(time.time()),
    )
    prune_snapshots(folder, keep=KEPT)
    _log.info(
        "snapshot taken: %s, numbers=%d, in %.1fs",
        path.name,
        segment.numbers,
        time.monotonic() - began,
    )
    _truncate(installation)


def newest_taken_at(folder: Path) -> int:
    """When the newest snapshot was taken, unix seconds; 0 = there is none that can be read."""
    try:
        return next((read_header(path).taken_at for path in list_snapshots(folder)), 0)
    except (FileNotFoundError, SnapshotError):
        return 0


def _settings(segment: Segment) -> KeeperValue:
    """Policies and pools, read after the position: replay puts them again where they were later."""
    value = KeeperValue(command="snapshot")
    for index, policy in enumerate(segment.policies()):
        if policy is not None:
            value.policies.add(index=index, policy=policy_message(policy))
    for index, pool in enumerate(segment.pools()):
        if pool is not None:
            value.pools.add(index=index, pool=pool_message(pool))
    return value


def _truncate(installation: Installation) -> None:
    kept = list_snapshots(installation.snapshots)
    if len(kept) < KEPT:
        return
    older = read_header(kept[KEPT - 1])
    upto = {**older.positions, KEEPER: older.keeper_position}
    publish_truncation(installation.run_folder, upto)
    workers = {worker_name(index) for index in range(installation.config.server.workers)}
    for name in upto.keys() - workers - {KEEPER}:
        truncate_orphan(
            installation.journal_folder(name),
            upto[name],
            installation.config.journal.map_size_bytes,
        )
