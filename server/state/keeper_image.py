"""The keeper's state in snapshots."""

import logging
from pathlib import Path

from google.protobuf.message import DecodeError

from ringfence.engine.snapshot import SnapshotDamaged, list_snapshots, read_keeper_state
from ringfence.server.journal.keeper_value_pb2 import KeeperImage

_log = logging.getLogger(__name__)


def newest_image(folder: Path) -> KeeperImage:
    """The image in the newest snapshot that has a whole one; an empty one without any."""
    for path in list_snapshots(folder) if folder.exists() else ():
        try:
            return read_image(path)
        except SnapshotDamaged as error:
            _log.warning("%s; going on without it", error)
    return KeeperImage()


def read_image(path: Path) -> KeeperImage:
    """The image in a snapshot; raises SnapshotError."""
    try:
        return KeeperImage.FromString(read_keeper_state(path))
    except DecodeError as error:
        raise SnapshotDamaged(path, f"not a keeper's state: {error}", offset=0) from None
