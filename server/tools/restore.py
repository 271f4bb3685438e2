"""Restore: a backup becomes a data folder that a server can be started on.

Offline, and never over anything: the folder must not exist yet, or be empty.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ringfence.server.tools.data_copy import (
    CopyError,
    DataCopy,
    Progress,
    WrongFolder,
    check_data_folder,
    check_whole,
    copy_data_folder,
    finished_whole,
)


def restore(
    backup: Path, data: Path, *, progress: Progress, say: Callable[[str], None]
) -> DataCopy:
    """Checks every byte of a backup, then copies it to a new data folder.

    Raises WrongFolder, CopyDamaged with all that is wrong with the backup, and CopyError. After
    any of them `data` is as it was.
    """
    check_data_folder(backup)
    if data.is_symlink() or (data.exists() and not _is_empty(data)):
        raise WrongFolder(f"not an empty folder: {data}: restore writes over nothing")
    with _unserved(backup), finished_whole(backup, data) as draft:
        say("verifying")
        check_whole(backup, backup)
        return copy_data_folder(backup, draft, progress)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


@contextmanager
def _unserved(folder: Path) -> Iterator[None]:
    """Holds the lock of a data folder, if it ever had one; raises CopyError if it is served."""
    try:
        lock = os.open(folder / "lock", os.O_RDONLY)
    except FileNotFoundError:
        yield
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CopyError(
                f"{folder} is being served: `ringfence data backup` copies it meanwhile"
            ) from None
        yield
    finally:
        os.close(lock)
