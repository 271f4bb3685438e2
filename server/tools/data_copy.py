"""A data folder copied to another place: whole and durable there, or not there at all.

A backup copies a folder whose server may be running, a restore one that nobody serves. The order of
the copy makes it consistent, as long as the snapshots stay as they are (`snapshot_lock.py`):

1. The history, if it is a file there. What it has is in the keeper's journal, which is read later.
2. The snapshots. What they count on is in the journals, which are read later.
3. The keeper's journal: all commands that were acknowledged before the copy began.
4. The workers' journals, listed only now: what the keeper knows of them is in them.

The lock, drafts and whatever belongs to one start of a server stay behind.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ringfence.engine.durable_files import sync
from ringfence.engine.snapshot import list_snapshots
from ringfence.engine.wrong_path import wrong_path
from ringfence.server.folder.data_folder import SECRETS
from ringfence.server.folder.journal_folders import DATA, KEEPER, journal_identity, journal_names
from ringfence.server.folder.secret_file import SecretDamaged, read_secret
from ringfence.server.followers.history.file_copy import FILE as HISTORY
from ringfence.server.followers.history.file_copy import copy_bytes as history_bytes
from ringfence.server.followers.history.file_copy import copy_file as copy_history
from ringfence.server.journal.journal import JournalError
from ringfence.server.journal.lmdb_journal import copy_bytes, copy_journal
from ringfence.server.tools.data_verify import folder_problems

SYNC_BYTES = 1 << 26  # a journal's fsync waits behind no more of a copied snapshot than this

Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all, after every file and between the parts of a large one."""


class CopyError(Exception):
    """A copy was not made; the text says what is in the way. Nothing is left of it."""


class WrongFolder(CopyError):
    """The folders that were named do not serve for it."""


class CopyDamaged(CopyError):
    """What was to be copied, or what was copied, is not whole."""

    def __init__(self, text: str, problems: list[str]) -> None:
        super().__init__("\n  ".join([text, *problems]))
        self.problems = problems


@dataclass(frozen=True)
class DataCopy:
    """What was copied."""

    snapshots: list[str]
    """Their names, newest first."""
    journals: dict[str, int]
    """The last position of each, by its name."""
    size_bytes: int


def check_data_folder(path: Path) -> None:
    """Raises WrongFolder unless a server has had this folder for its data."""
    for needed in (*SECRETS, f"journal/{KEEPER}/{DATA}"):
        if not (path / needed).exists():
            raise WrongFolder(f"no data folder: {path}: {needed} is missing")


def check_whole(folder: Path, called: Path) -> None:
    """Raises CopyDamaged with all that is wrong with a folder; `called` stands for it there."""
    found = [problem for _, problems in folder_problems(folder) for problem in problems]
    if found:
        raise CopyDamaged(
            f"damaged: {called}: problems={len(found)}",
            [problem.replace(str(folder), str(called)) for problem in found],
        )


@contextmanager
def finished_whole(source: Path, target: Path) -> Iterator[Path]:
    """A draft to copy to; it becomes the target when all went well, and else is removed.

    A draft that a killed process left is removed first. Raises WrongFolder for a target inside
    the source, CopyError when another process writes to the same target or the disk fails.
    """
    target = target.resolve()
    if target.is_relative_to(source.resolve()):
        raise WrongFolder(f"{target} lies inside {source}")
    if target.is_mount():
        raise WrongFolder(f"a mount point cannot be put in place whole: {target}: name one in it")
    draft = target.with_name(f".{target.name}.unfinished")
    try:
        _remove_left(draft)
        draft.mkdir(mode=0o700)
        lock = _flocked(draft)
        try:
            yield draft
            draft.rename(target)
            sync(target.parent)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)  # what is left then, the next one removes
            raise
        finally:
            os.close(lock)
    except OSError as error:
        raise CopyError(f"cannot be copied: {target}: {wrong_path(error)}") from error
    except JournalError as error:
        raise CopyError(f"cannot be copied: {target}: {error}") from error


def copy_data_folder(source: Path, draft: Path, progress: Progress) -> DataCopy:
    """Copies all that belongs to a data folder into an empty one, durably.

    Raises CopyError when there is too little room, CopyDamaged without a whole folder_id, OSError
    and JournalError.
    """
    try:
        folder_id = read_secret(source / "folder_id")
    except SecretDamaged as error:
        raise CopyDamaged(f"damaged: {source}: problems=1", [str(error)]) from None
    snapshots, journals = source / "snapshots", source / "journal"
    kept = list_snapshots(snapshots) if snapshots.exists() else []
    sizes = {path: path.stat().st_size for path in kept}
    sizes |= {journals / name: copy_bytes(journals / name) for name in journal_names(journals)}
    history = source / HISTORY
    if history.exists():
        sizes[history] = history_bytes(history)
    needed, free = sum(sizes.values()), shutil.disk_usage(draft).free
    if needed > free:
        raise CopyError(f"no room: {draft.parent}: bytes needed={needed}, free={free}")
    done = 0

    def more(size_bytes: int) -> None:
        nonlocal done
        done += size_bytes
        progress(done, max(done, needed))

    # A file that is to be in every copy is copied here, and checked in `data_verify.py`.
    for name in SECRETS:
        _copy_file(source / name, draft / name, more)
    if history.exists():
        copy_history(history, draft / HISTORY)
        more((draft / HISTORY).stat().st_size)
    (draft / "snapshots").mkdir(mode=0o700)
    for path in kept:
        _copy_file(path, draft / "snapshots" / path.name, more)
    (draft / "journal").mkdir(mode=0o700)
    last: dict[str, int] = {}

    def copy(name: str) -> None:
        identity = journal_identity(folder_id, name)
        last[name] = copy_journal(journals / name, draft / "journal" / name, identity=identity)
        for path in (draft / "journal" / name).iterdir():
            path.chmod(0o600)
        more((draft / "journal" / name / DATA).stat().st_size)

    copy(KEEPER)
    for name in journal_names(journals):
        if name != KEEPER:
            copy(name)
    for folder in (draft / "snapshots", draft / "journal", draft):
        sync(folder)
    return DataCopy([path.name for path in kept], last, done)


def _copy_file(source: Path, target: Path, more: Callable[[int], None]) -> None:
    with open(source, "rb") as reading, open(target, "xb", opener=_private) as writing:
        while size_bytes := os.sendfile(writing.fileno(), reading.fileno(), None, SYNC_BYTES):
            os.fsync(writing.fileno())
            more(size_bytes)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _remove_left(draft: Path) -> None:
    if draft.exists():
        lock = _flocked(draft)
        try:
            shutil.rmtree(draft)
        finally:
            os.close(lock)


def _flocked(draft: Path) -> int:
    """Says to others that somebody is at work on a draft, as long as the descriptor is open."""
    lock = os.open(draft, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise CopyError(f"another process is writing it: {draft}") from None
    return lock
