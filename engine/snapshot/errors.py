"""What can be wrong with a snapshot.

SnapshotError
├── SnapshotDamaged   the file is not what was written: fall back to an older one
└── SnapshotNewer     a later version of the program wrote it: use that
"""

from pathlib import Path


class SnapshotError(Exception):
    """A snapshot cannot be written, read or taken; says what, limit and actual."""


class SnapshotDamaged(SnapshotError):
    """The file is not what was written; nothing of it may be used."""

    def __init__(self, path: Path, what: str, *, offset: int, block: int | None = None) -> None:
        where = f"offset={offset}" if block is None else f"block={block}, offset={offset}"
        super().__init__(f"{path}: damaged snapshot: {what}: {where}")
        self.path = path
        self.offset = offset
        """Bytes from the beginning of the file to the block that is wrong."""
        self.block = block
        """None before the first block."""


class SnapshotNewer(SnapshotError):
    """The file has a format that a later version of this program wrote."""

    def __init__(self, path: Path, version: int, limit: int) -> None:
        super().__init__(f"{path}: snapshot of a newer format: version={version}, limit={limit}")
        self.path = path
        self.version = version
