"""The `ringfence` command with workers that journal nothing: what events cost without a disk.

    python benchmarks/serve_unjournalled.py serve --data DIR

Everything else is the real server; the keeper has its journal. For comparison in a benchmark:
whatever this server answers is lost when it ends.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from ringfence.server.folder.journal_folders import WORKER
from ringfence.server.journal import lmdb_journal as journal_lmdb
from ringfence.server.journal.group_commit import COMMIT_MAX_BYTES
from ringfence.server.journal.journal import Done, Journal


class NoJournal:
    """A journal that keeps nothing and calls that durable at once; see `journal.Journal`."""

    writable = True
    first = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last = 0
        self.commits_total = 0
        self._after_commit: list[Callable[[], None]] = []

    def has_room(self, size: int) -> bool:
        """Always."""
        return True

    def append(self, value: bytes, done: Done) -> None:
        """Calls `done`, then what follows a commit."""
        self.last += 1
        self.commits_total += 1
        done(self.last)
        for call in self._after_commit:
            call()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Has `call` called after each value."""
        self._after_commit.append(call)

    def replay(self, after: int) -> Iterator[tuple[int, bytes]]:
        """No values."""
        return iter(())

    def truncate(self, upto: int) -> None:
        """There is nothing to let go of."""

    def close(self) -> None:
        """There is nothing to close."""


_open_lmdb = journal_lmdb.open_journal


def _open_journal(
    folder: Path,
    *,
    identity: bytes,
    map_size_bytes: int = journal_lmdb.MAP_SIZE_BYTES,
    pending_max_bytes: int = COMMIT_MAX_BYTES,
    sync: bool = True,
) -> Journal:
    if folder.name.startswith(WORKER):
        return NoJournal(folder)
    return _open_lmdb(
        folder,
        identity=identity,
        map_size_bytes=map_size_bytes,
        pending_max_bytes=pending_max_bytes,
        sync=sync,
    )


if __name__ == "__main__":
    journal_lmdb.open_journal = _open_journal  # before the children import it
    from ringfence.cli import main

    main()
