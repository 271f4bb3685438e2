"""Who may change which snapshots there are, and how far back the journals reach.

A flock on the data folder itself, which is always there: nothing has to be made for it, neither on
a medium that cannot be written nor, by a backup of root's, in a folder of the server's.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def change_snapshots(data: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """For who takes, removes and publishes; says so first when it has to wait for a backup."""
    with _flock(data, fcntl.LOCK_EX, waiting):
        yield


@contextmanager
def keep_snapshots(data: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """For a backup: the snapshots stay, and so do all values of journals that they need.

    Says so first when it has to wait for a snapshot that is being taken.
    """
    with _flock(data, fcntl.LOCK_SH, waiting):
        yield


@contextmanager
def _flock(data: Path, kind: int, waiting: Callable[[], None]) -> Iterator[None]:
    lock = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, kind)
        yield
    finally:
        os.close(lock)
