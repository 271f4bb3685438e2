"""The journals of a data folder: which there are, and how each is known to be its own."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from ringfence.server.folder.installation import KEEPER, WORKER, Installation
from ringfence.server.journal.journal import JournalReader
from ringfence.server.journal.lmdb_journal import DATA, open_for_replay

_NAME = re.compile(rf"{KEEPER}|{WORKER}\d+", re.ASCII)


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


@contextmanager
def opened_journals(
    installation: Installation,
    *,
    walk: bool = True,
    over: Callable[..., Iterable[JournalReader]] = map,
) -> Iterator[dict[str, JournalReader]]:
    """All journals by name, to be read; `over` is the map that opens them."""

    def opened(name: str) -> JournalReader:
        identity = journal_identity(installation.folder_id, name)
        return open_for_replay(installation.journal_folder(name), identity=identity, walk=walk)

    names = journal_names(installation.journals)
    with ExitStack() as held:
        yield {
            name: held.enter_context(closing(journal))
            for name, journal in zip(names, over(opened, names), strict=True)
        }
