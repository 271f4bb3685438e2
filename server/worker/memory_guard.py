"""Keeps a worker small whatever clients do: beyond a bound it cuts the connections that hold most.

gRPC buffers what comes for a call: 4 MiB of a message that never ends, for each of a thousand calls
of a connection. No option of its bounds the sum. So a thread looks how much memory the process has
of its own, and what each connection has sent that nobody has taken, which the kernel knows.

Were that not enough the process ends, and is replaced: what was acknowledged is on disk.
"""

import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ringfence.server.link.heap import give_back_freed
from ringfence.server.link.held_calls import CALL_BYTES, HeldCalls

BOUND_BYTES = 512 << 20
CUT_TO_BYTES = 384 << 20
"""So much is to be left when the bound was passed."""
LAST_BYTES = 1_280 << 20
"""Then the process ends."""
PAUSE_S = 0.05
FREEING_S = 2.0
"""So long it may take until what a connection held is free: then others are cut only if memory"""
STEP_BYTES = 64 << 20
"""has grown by as much."""
WORTH_BYTES = 128 << 10
"""Who holds less is not cut: so much is on its way on any connection."""
CARRIED = 1.02
"""What comes to what is taken of it: messages have frames around them."""
TCP_INFO_BYTES = 136
RECEIVED_AT = 128
"""Where `struct tcp_info` (linux/tcp.h) has tcpi_bytes_received."""
PAGE_BYTES = resource.getpagesize()

_log = logging.getLogger(__name__)


class Connection(NamedTuple):
    """A client's connection: a socket of this process."""

    file: int
    """Its descriptor, for as long as it is open."""
    peer: str
    """As gRPC calls the other end."""
    received_bytes: int


class MemoryGuard:
    """Of one worker. `look` is for one thread, and asks the functions."""

    def __init__(
        self,
        calls: HeldCalls,
        memory: Callable[[], int],
        connections: Callable[[], Iterable[Connection]],
        cut: Callable[[Connection], None],
        give_back: Callable[[], object],
    ) -> None:
        self._calls = calls
        self._memory = memory
        self._connections = connections
        self._cut = cut
        self._give_back = give_back
        self._freed_at = 0.0
        self._cut_above_bytes = BOUND_BYTES

    def look(self, now: float) -> bool:
        """Cuts connections if it is time; False = the process has to end. Monotonic seconds."""
        memory_bytes = self._memory()
        if memory_bytes > LAST_BYTES:
            _log.critical("more memory than a worker may have: bytes=%d", memory_bytes)
            return False
        if now >= self._freed_at:
            self._cut_above_bytes = BOUND_BYTES
        else:
            self._give_back()
        if memory_bytes > self._cut_above_bytes:
            self._free(memory_bytes - CUT_TO_BYTES)
            self._cut_above_bytes = memory_bytes + STEP_BYTES
            self._freed_at = now + FREEING_S
        return True

    def _free(self, wanted_bytes: int) -> None:
        held = [(self._held_bytes(each), each) for each in self._connections()]
        cut = freed_bytes = 0
        for held_bytes, connection in sorted(held, reverse=True):
            if freed_bytes >= wanted_bytes or held_bytes < WORTH_BYTES:
                break
            self._cut(connection)
            cut += 1
            freed_bytes += held_bytes
        _log.error("memory is short, connections are cut: cut=%d, bytes=%d", cut, freed_bytes)

    def _held_bytes(self, connection: Connection) -> int:
        calls = self._calls.of(connection.peer)
        unread_bytes = connection.received_bytes - int(calls.taken_bytes * CARRIED)
        return max(0, unread_bytes) + calls.held_bytes + calls.calls * CALL_BYTES


def guard_memory(calls: HeldCalls) -> None:
    """Looks from now on, in a thread, as the loop may be busy while gRPC goes on reading."""
    guard = MemoryGuard(calls, own_bytes, connections, cut_connection, give_back_freed)

    def keep_looking() -> None:
        while guard.look(time.monotonic()):
            time.sleep(PAUSE_S)
        os._exit(os.EX_TEMPFAIL)

    threading.Thread(target=keep_looking, name="memory guard", daemon=True).start()


def own_bytes() -> int:
    """The memory of this process that no other shares: the segment and files are not in it."""
    resident, shared = Path("/proc/self/statm").read_bytes().split()[1:3]
    return (int(resident) - int(shared)) * PAGE_BYTES


def connections() -> Iterator[Connection]:
    """Those of this process over TCP."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError), _opened(int(name)) as opened:  # else it is no such connection
            info = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
            received_bytes = int.from_bytes(info[RECEIVED_AT:], "little")
            yield Connection(int(name), _peer(opened), received_bytes)


def cut_connection(connection: Connection) -> None:
    """Ends a connection; gRPC sees that it has ended."""
    with suppress(OSError), _opened(connection.file) as opened:
        if _peer(opened) == connection.peer:  # else the descriptor is another's by now
            opened.shutdown(socket.SHUT_RDWR)


@contextmanager
def _opened(file: int) -> Iterator[socket.socket]:
    copy = os.dup(file)
    try:
        opened = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
    with opened:
        yield opened


def _peer(opened: socket.socket) -> str:
    host, port = opened.getpeername()[:2]
    if opened.family == socket.AF_INET or host.startswith("::ffff:"):
        return f"ipv4:{host.removeprefix('::ffff:')}:{port}"
    return f"ipv6:%5B{host}%5D:{port}"
