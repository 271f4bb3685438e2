"""The journals of a data folder: what they are called, which there are, how each is known."""

import re
from pathlib import Path

KEEPER = "keeper"
WORKER = "worker-"
DATA = "data.mdb"
"""The file in a journal's folder that holds its values."""

_NAME = re.compile(rf"{KEEPER}|{WORKER}\d+", re.ASCII)


def worker_name(index: int) -> str:
    """What a worker's journal is called."""
    return f"{WORKER}{index}"


def journal_names(journals: Path) -> list[str]:
    """All journals there are, found by listing: workers may have been more than now."""
    if not journals.exists():
        return []
    return sorted(
        path.name
        for path in journals.iterdir()
        if _NAME.fullmatch(path.name) and (path / DATA).exists()
    )


def journal_identity(folder_id: bytes, name: str) -> bytes:
    """The identity of a journal; no other of this data folder or of another one has it."""
    return folder_id + name.encode("ascii")
