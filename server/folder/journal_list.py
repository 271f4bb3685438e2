"""Which journals a data folder has: a list beside them, so that one that was taken away is missed.

A start writes it, under the lock of the data folder, as FORMATS.md draws it. A list that is damaged
or not there, as in a copy, is made anew from the journals that there are.
"""

from pathlib import Path

from crc32c import crc32c

from ringfence.engine.durable_files import sync
from ringfence.server.folder.journal_folders import DATA, journal_names

MEND = "put it back, or restore a backup"
_LIST = "journals"
_JOURNALS = "journal"


def missing_journals(data: Path) -> dict[Path, str]:
    """The folders of the listed journals that are not there, each with a text that says so."""
    folders = (data / _JOURNALS / name for name in _listed(data))
    return {
        folder: f"{folder}: missing: this data folder has had such a journal; {MEND}"
        for folder in folders
        if not (folder / DATA).exists()
    }


def list_journals(data: Path) -> None:
    """Writes the list of those that there are now, durably; raises OSError."""
    names = journal_names(data / _JOURNALS)
    if names == _listed(data):
        return
    draft = data / f"{_LIST}.new"
    draft.write_bytes(_sealed(names))
    sync(draft)
    draft.rename(data / _LIST)
    sync(data)


def _listed(data: Path) -> list[str]:
    try:
        found = (data / _LIST).read_bytes()
    except FileNotFoundError:
        return []
    names = found.decode("ascii", "replace").split()[:-1]
    return names if found == _sealed(names) else []


def _sealed(names: list[str]) -> bytes:
    text = "".join(f"{name}\n" for name in names)
    return f"{text}{crc32c(text.encode()):08x}\n".encode()
