"""How a process that reads gets its sockets, and what it has to know of those before it."""

from __future__ import annotations

import asyncio
import pickle
import socket
from dataclasses import dataclass

from ringfence.adapters.hep_ports import Ports
from ringfence.adapters.processes.settings import ReaderSettings

_LENGTH_OCTETS = 4


@dataclass(frozen=True, slots=True)
class Start:
    """What comes with the sockets. They may have been read before, by a process that is gone."""

    settings: ReaderSettings
    heard_until: float
    """Unix seconds: up to then all that came was handed over, or counted as lost."""
    kernel_drops: int
    """Datagrams that the kernel dropped of this socket and that are counted."""


async def give(pipe: socket.socket, ports: Ports, start: Start) -> None:
    """Sends sockets and start; raises OSError. The pipe does not block."""
    octets = pickle.dumps(start)
    socket.send_fds(pipe, [len(octets).to_bytes(_LENGTH_OCTETS)], [each.fileno() for each in ports])
    await asyncio.get_running_loop().sock_sendall(pipe, octets)


def take(pipe: socket.socket) -> tuple[Ports, Start]:
    """Waits for what `give` sends; raises EOFError when nothing comes any more."""
    length, handles, *_ = socket.recv_fds(pipe, _LENGTH_OCTETS, len(Ports._fields))
    if len(length) < _LENGTH_OCTETS:
        raise EOFError
    ports = Ports(*(socket.socket(fileno=handle) for handle in handles))
    left = int.from_bytes(length)
    octets = bytearray()
    while len(octets) < left:
        piece = pipe.recv(left - len(octets))
        if not piece:
            raise EOFError
        octets += piece
    start: Start = pickle.loads(octets)  # of the process that started this one
    return ports, start
