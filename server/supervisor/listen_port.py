"""The listening port: claimed for one installation, then shared by its workers."""

import socket

from ringfence.server.config.address import parse_address
from ringfence.server.folder.data_folder import StartError


def hold_port(listen: str) -> tuple[socket.socket, str]:
    """Claims HOST:PORT and returns the socket that holds it and the numeric address.

    The socket never listens. It is bound without SO_REUSEPORT, so that an address which anybody
    else uses is refused, and allows sharing only afterwards, to workers of the same user. Clearing
    SO_REUSEADDR then keeps the port closed to another installation while no worker listens.
    """
    host, port = parse_address(listen)
    held: socket.socket | None = None
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        held = socket.socket(family, kind, protocol)
        if family == socket.AF_INET6:
            # As gRPC does, which takes IPv4 on [::] too.
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT
        held.bind(place)
    except OSError as error:
        if held is not None:
            held.close()
        raise StartError(f"cannot listen on {listen}: {error.strerror}") from None
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    host, port = held.getsockname()[:2]
    return held, f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"
