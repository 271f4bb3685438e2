"""Where the workers listen, claimed for one installation: a port, or the path of a unix socket."""

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ringfence.engine.wrong_path import wrong_path
from ringfence.server.config.address import socket_path
from ringfence.server.folder.data_folder import StartError
from ringfence.server.supervisor.listen_port import hold_port


@contextmanager
def hold_address(listen: str) -> Iterator[str]:
    """Holds HOST:PORT or unix:/path and gives the address to bind; raises StartError."""
    path = socket_path(listen)
    if path is None:
        port, address = hold_port(listen)
        with port:
            yield address
        return
    with _hold_path(path, listen):
        yield listen


@contextmanager
def _hold_path(path: str, listen: str) -> Iterator[None]:
    """Claims the path of a socket, and removes one that nobody listens on any more.

    The worker binds it, and takes away whatever lies there: so nobody else may listen. The claim is
    the lock of a file beside it, which stays, since between two workers there is no socket.
    """
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"cannot listen on {listen}: {wrong_path(error)}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_stale(path)
        except BlockingIOError:
            raise StartError(f"cannot listen on {listen}: another server does") from None
        except OSError as error:
            raise StartError(f"cannot listen on {listen}: {error.strerror}") from None
        yield
        with suppress(FileNotFoundError):  # gRPC removes it, unless its worker was killed
            os.unlink(path)
    finally:
        os.close(lock)


def _remove_stale(path: str) -> None:
    """Removes a socket without a listener; raises OSError for anything else that lies there."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise FileExistsError(0, "it is there, and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)  # a listener may have no room for us
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise FileExistsError(0, "another process does")
