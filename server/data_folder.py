"""The folders of an installation: the data folder, and its run folder in shared memory.

The locks are flocks on descriptors that the children inherit over fork. They are free only when
the last process of an installation is gone, and whatever lies in the folders is touched only
under them.
"""

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOCK_WAIT_S = 10.0  # after a kill -9 of the supervisor its children die a moment later
LOCK_POLL_S = 0.05
SECRET_BYTES = 16
SHARED_MEMORY = Path("/dev/shm")


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
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(f"data folder cannot be used: {path}: {error.strerror}") from None
    try:
        _take_lock(lock, path, wait_s)
        yield DataFolder(
            path,
            bytes.fromhex(_kept(path / "folder_id", secrets.token_hex(SECRET_BYTES)).decode()),
            _kept(path / "caller_key", secrets.token_bytes(SECRET_BYTES)),
        )
    finally:
        os.close(lock)


@contextmanager
def hold_run_folder(folder_id: bytes) -> Iterator[Path]:
    """Holds an empty folder in shared memory for the segment and the keeper's socket.

    What a killed server left there is removed first, and the folder itself at the end. It has a
    lock of its own, because a copied data folder has the same id.
    """
    path = SHARED_MEMORY / f"ringfence-{folder_id.hex()}"
    path.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(
                f"a copy of this data folder is being served: {path} is in use; a copy needs a"
                " folder_id of its own (remove the file folder_id from it)"
            ) from None
        for left in path.iterdir():
            left.unlink()
        try:
            yield path
        finally:
            shutil.rmtree(path)
    finally:
        os.close(lock)


def _take_lock(lock: int, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
                raise StartError(
                    f"data folder in use: {path} is held by the server with pid"
                    f" {holder or 'unknown'}; waited {wait_s:g} s"
                ) from None
            time.sleep(LOCK_POLL_S)
        else:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            return


def _kept(path: Path, fresh: bytes | str) -> bytes:
    """The content of a small file, written whole and durably if it is not there yet."""
    content = fresh.encode() if isinstance(fresh, str) else fresh
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return content
    found = path.read_bytes()
    if len(found) != len(content):
        raise StartError(f"damaged: {path} has {len(found)} bytes, expected={len(content)}")
    return found
