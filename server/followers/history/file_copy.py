"""The history's file in backups: copied while it is being written, and checked.

A copy is the database as one transaction left it. It is made before the keeper's journal is copied:
a database that is behind its journal catches up, one that is ahead is refused.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ringfence.engine.durable_files import sync
from ringfence.server.followers.history.database import BUSY_MS, FILE

__all__ = ["FILE", "copy_bytes", "copy_file", "file_problems"]


def copy_bytes(path: Path) -> int:
    """How large a copy can get."""
    with _opened(path) as database:
        ((pages,),) = database.execute("PRAGMA page_count")
        ((size_bytes,),) = database.execute("PRAGMA page_size")
        return int(pages * size_bytes)


def copy_file(path: Path, target: Path) -> None:
    """Copies the database to a new file, durably; raises OSError."""
    try:
        target.touch(0o600, exist_ok=False)
        with _opened(path) as database, closing(sqlite3.connect(target)) as copy:
            database.backup(copy)
    except sqlite3.Error as error:
        raise OSError(f"{path}: {error}") from error
    sync(target)


def file_problems(path: Path) -> list[str]:
    """What is wrong with the database; nothing is changed."""
    try:
        with _opened(path) as database:
            found = [str(said) for (said,) in database.execute("PRAGMA integrity_check")]
    except sqlite3.Error as error:
        found = [str(error)]
    return [f"{path}: {problem}" for problem in found if problem != "ok"]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database to read; where nobody writes it, nothing is made beside it."""
    served = path.with_name(f"{path.name}-wal").exists()
    address = f"{path.absolute().as_uri()}?mode=ro{'' if served else '&immutable=1'}"
    with closing(sqlite3.connect(address, uri=True, timeout=BUSY_MS / 1_000)) as database:
        yield database
