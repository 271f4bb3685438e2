"""The folder of snapshots: their names, which there are, which may go.

Only whole snapshots have a snapshot's name; one that is being written, or whose writer was killed,
has another.
"""

import re
from pathlib import Path

from ringfence.engine.durable_files import sync

KEPT = 2
"""Snapshots that a start can go on from, the newest ones."""
NUMBER_MOST = 10**16 - 1

_NAME = re.compile(r"snapshot-(\d{16})\.rfs", re.ASCII)
_UNFINISHED = re.compile(r"snapshot-\d{16}\.unfinished", re.ASCII)


def snapshot_path(folder: Path, number: int) -> Path:
    """Where the snapshot with this number is or will be; raises ValueError."""
    if not 0 <= number <= NUMBER_MOST:
        raise ValueError(f"number: value={number}, bound=0 to {NUMBER_MOST}")
    return folder / f"snapshot-{number:016}.rfs"


def snapshot_number(path: Path) -> int:
    """The number in a snapshot's name; raises ValueError for another name."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path}: not the name of a snapshot: expected=snapshot-<16 digits>.rfs")
    return int(match[1])


def unfinished_path(folder: Path, number: int) -> Path:
    """Where that snapshot is until it is whole."""
    return snapshot_path(folder, number).with_suffix(".unfinished")


def list_snapshots(folder: Path) -> list[Path]:
    """The snapshots of a folder by number, newest first. Changes nothing: needs no lock."""
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    return sorted(found, reverse=True)


def remove_unfinished(folder: Path) -> list[Path]:
    """Removes what killed writers left; returns what it was.

    For the holder of the data folder's lock, while no snapshot is being written.
    """
    found = [path for path in folder.iterdir() if _UNFINISHED.fullmatch(path.name)]
    for path in found:
        path.unlink()
    return sorted(found)


def prune_snapshots(folder: Path, *, keep: int = KEPT) -> list[Path]:
    """Removes all snapshots but the newest `keep`; returns what it removed, newest first.

    They are gone for good when this returns: none comes back after a power cut, when journals no
    longer go on from it. For the holder of the data folder's lock. The oldest goes first: those
    that stay are the newest at every moment.
    """
    if keep < 1:
        raise ValueError(f"keep: value={keep}, bound=1 or more")
    outdated = list_snapshots(folder)[keep:]
    for path in reversed(outdated):
        path.unlink()
    sync(folder)  # also after one who was killed before it did
    return outdated
