"""The folders of an installation: the data folder, and its run folder in shared memory.

The locks are flocks on descriptors that the children inherit over fork. They are free only when
the last process of an installation is gone, and whatever lies in the folders is touched only
under them.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ringfence.engine.durable_files import sync
from ringfence.engine.wrong_path import wrong_path
from ringfence.server.folder.journal_list import missing_journals
from ringfence.server.folder.secret_file import SecretDamaged, make_secret, read_secret

LOCK_WAIT_S = 10.0  # after a kill -9 of the supervisor its children die a moment later
LOCK_POLL_S = 0.05
SHARED_MEMORY = Path("/dev/shm")
SEGMENT = "segment"  # in the run folder
SECRETS = {
    "folder_id": "journals and snapshots could not be known again",
    "caller_key": "earlier callers could not be known again",
}
"""The secret files, and what would be lost if a fresh one took the place of one that is missing."""


class StartError(Exception):
    """The server cannot start; the text says what is in the way."""


@dataclass(frozen=True)
class DataFolder:
    """A data folder whose lock this process holds."""

    path: Path
    folder_id: bytes
    caller_key: bytes


@contextmanager
def hold_data_folder(path: Path, *, wait_s: float = LOCK_WAIT_S) -> Iterator[DataFolder]:
    """Holds the data folder, made if it is missing; raises StartError when another keeps it."""
    try:
        _make(path)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(f"data folder cannot be used: {wrong_path(error, path)}") from None
    try:
        try:
            _take_lock(lock, path, wait_s)
        except OSError as error:
            raise StartError(f"{path / 'lock'}: cannot be taken: {error.strerror}") from None
        yield DataFolder(
            path,
            _kept(path / "folder_id"),
            _kept(path / "caller_key"),
        )
    finally:
        os.close(lock)


def served_by(path: Path) -> str:
    """The pid of the server that has this data folder now; "" = none has. Raises OSError."""
    try:
        lock = os.open(path / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(lock)
    finally:
        os.close(lock)  # with it the lock, so that no start has to wait
    return ""


@contextmanager
def hold_run_folder(folder_id: bytes) -> Iterator[Path]:
    """Holds a folder in shared memory for the segment and the sockets.

    What a killed server left there is removed first, but for its segment, and the folder itself
    at the end. It has a lock of its own, because a copied data folder has the same id.
    """
    path = SHARED_MEMORY / f"ringfence-{folder_id.hex()}"
    path.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(
                f"a copy of this data folder is being served: {path} is in use; stop that server"
                " first"
            ) from None
        for left in path.iterdir():
            if left.name != SEGMENT:  # a start may take it over
                left.unlink()
        try:
            yield path
        finally:
            shutil.rmtree(path)
    finally:
        os.close(lock)


def _make(path: Path) -> None:
    """Makes a folder, and those that it lies in, durable."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    sync(*(folder.parent for folder in missing))


def _take_lock(lock: int, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StartError(
                    f"data folder in use: {path} is held by the server with pid"
                    f" {_holder(lock)}; waited {wait_s:g} s"
                ) from None
            time.sleep(LOCK_POLL_S)
        else:
            pid = f"{os.getpid()}\n".encode()
            os.pwrite(lock, pid, 0)
            os.ftruncate(lock, len(pid))  # not before: a full disk might not give the room again
            return


def _holder(lock: int) -> str:
    return os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"


def missing_secret(path: Path) -> str:
    """Why a secret file that is missing must not be made anew; "" = there are no journals yet."""
    if not (path.parent / "journal").exists() and not missing_journals(path.parent):
        return ""
    return f"{path}: missing: {SECRETS[path.name]}; put the file back from a backup"


def _kept(path: Path) -> bytes:
    """The bytes of a secret file, which is made if it is missing and may be."""
    try:
        if path.exists():
            return read_secret(path)
        if refusal := missing_secret(path):
            raise StartError(refusal)
        return make_secret(path)
    except SecretDamaged as error:
        raise StartError(str(error)) from None
    except OSError as error:
        raise StartError(f"cannot be read or made: {wrong_path(error, path)}") from None
