"""Snapshots: the table in one file, copied while it is in use. FORMATS.md describes the file.

Fuzzy copies are exact here: a ring is a join, so what the copy missed is joined again from the
journals behind the positions that were noted before it.
"""

from ringfence.engine.snapshot.errors import SnapshotDamaged, SnapshotError, SnapshotNewer
from ringfence.engine.snapshot.folder import (
    KEPT,
    list_snapshots,
    prune_snapshots,
    remove_unfinished,
    snapshot_number,
    snapshot_path,
)
from ringfence.engine.snapshot.format import SnapshotHeader
from ringfence.engine.snapshot.load import load_snapshot
from ringfence.engine.snapshot.read import (
    check_snapshot,
    read_hand_outs,
    read_header,
    read_keeper_state,
    snapshot_taken_at,
)
from ringfence.engine.snapshot.write import write_snapshot

__all__ = [
    "KEPT",
    "SnapshotDamaged",
    "SnapshotError",
    "SnapshotHeader",
    "SnapshotNewer",
    "check_snapshot",
    "list_snapshots",
    "load_snapshot",
    "prune_snapshots",
    "read_hand_outs",
    "read_header",
    "read_keeper_state",
    "remove_unfinished",
    "snapshot_number",
    "snapshot_path",
    "snapshot_taken_at",
    "write_snapshot",
]
