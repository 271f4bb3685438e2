"""All journals of an installation, opened to be read."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager

from ringfence.server.folder.installation import Installation
from ringfence.server.folder.journal_folders import journal_identity, journal_names
from ringfence.server.journal.journal import JournalReader
from ringfence.server.journal.lmdb_journal import open_for_replay


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
