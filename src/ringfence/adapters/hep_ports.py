"""One port on UDP and TCP, for one process that reads it or for several.

Several sockets on one port are the kernel's to choose from (SO_REUSEPORT): it deals out datagrams
and connections by address and port of the sender. The first one is bound without that, and fails
where anybody else has the port: two adapters that share one by mistake would each hear a part of
the calls and claim that it was all.
"""

from __future__ import annotations

import asyncio
import socket
from typing import NamedTuple

BACKLOG_CONNECTIONS = 256


class Ports(NamedTuple):
    """The sockets of one process."""

    stream: socket.socket
    """It listens."""
    datagrams: socket.socket

    def close(self) -> None:
        """Closes both; more than once does no harm."""
        self.stream.close()
        self.datagrams.close()


async def open_ports(
    host: str, port: int, count: int = 1, *, receive_buffer_bytes: int
) -> list[Ports]:
    """Takes a port (0 = any that is free) for so many processes. Raises OSError."""
    opened: list[Ports] = []
    try:
        (family, _, _, _, address), *_ = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for _ in range(count):
            ports = Ports(
                socket.socket(family, socket.SOCK_STREAM), socket.socket(family, socket.SOCK_DGRAM)
            )
            opened.append(ports)
            is_first = ports is opened[0]
            if not is_first:
                _share(ports)
            ports.stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ports.stream.bind(address if is_first else opened[0].stream.getsockname())
            ports.stream.listen(BACKLOG_CONNECTIONS)
            ports.datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            ports.datagrams.setblocking(False)
            ports.datagrams.bind(opened[0].stream.getsockname())
            if is_first and count > 1:
                _share(ports)
    except OSError as error:
        for ports in opened:
            ports.close()
        where = written_address(host, port)
        raise OSError(f"cannot listen on {where}: {error.strerror}") from error
    return opened


def _share(ports: Ports) -> None:
    for each in ports:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def written_address(host: str, port: int) -> str:
    """HOST:PORT, with the brackets that IPv6 needs."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"
