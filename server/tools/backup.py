"""Backup: a consistent copy of a data folder whose server may be running, which does not notice.

It does not ask the server: it reads the files beside it, so it also works when none is running.
What was acknowledged before it began is in it; of what came meanwhile, of each journal the values
up to some position.
"""

from collections.abc import Callable
from pathlib import Path

from ringfence.server.folder.snapshot_lock import keep_snapshots
from ringfence.server.tools.data_copy import (
    DataCopy,
    Progress,
    WrongFolder,
    check_data_folder,
    check_whole,
    copy_data_folder,
    finished_whole,
)


def back_up(
    data: Path,
    target: Path,
    *,
    verify: bool,
    progress: Progress,
    say: Callable[[str], None],
) -> DataCopy:
    """Copies a data folder to a new one; with `verify` the copy is read again and checked.

    Raises WrongFolder, CopyDamaged when the copy is not whole, which mostly says that the original
    is not, and CopyError. After any of them there is no `target`.
    """
    check_data_folder(data)
    if target.exists() or target.is_symlink():
        raise WrongFolder(f"exists already: {target}")
    with finished_whole(data, target) as draft:
        with keep_snapshots(data, lambda: say("waiting for a snapshot that is being taken")):
            copied = copy_data_folder(data, draft, progress)
        if verify:
            say("verifying")
            check_whole(draft, target)
    return copied
