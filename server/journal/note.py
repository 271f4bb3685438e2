"""The note beside a journal: a position that it once held for certain.

Written over after each commit and not synced, so it is never ahead of what is durable. A journal
that ends before it has lost values. A note that is missing, as in a copy made by other means, asks
nothing.
"""

import os
from pathlib import Path

from ringfence.engine.durable_files import sync
from ringfence.server.journal.journal import seal, unseal

NOTE = "last"


def make_note(folder: Path, position: int, *, identity: bytes) -> None:
    """Makes a note that is whole and durable before it has its name."""
    draft = folder / f"{NOTE}.new"
    draft.touch(0o600)
    draft.write_bytes(seal(position, b"", identity=identity))
    sync(draft)
    draft.rename(folder / NOTE)
    sync(folder)


def open_note(folder: Path, position: int, *, identity: bytes) -> int:
    """A descriptor for `write_note`; a note that is missing is made."""
    if not (folder / NOTE).exists():
        make_note(folder, position, identity=identity)
    return os.open(folder / NOTE, os.O_WRONLY | os.O_CLOEXEC)


def write_note(opened: int, position: int, *, identity: bytes) -> None:
    """Notes a position that is durable."""
    os.pwrite(opened, seal(position, b"", identity=identity), 0)


def read_note(folder: Path, *, identity: bytes) -> int:
    """The position that was noted last, 0 if none was; raises JournalDamaged."""
    try:
        note = (folder / NOTE).read_bytes()
    except FileNotFoundError:
        return 0
    position = int.from_bytes(note[-8:], "little")
    unseal(folder / NOTE, position, memoryview(note), identity=identity)
    return position
