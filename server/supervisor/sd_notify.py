"""Tells the service manager how the server is doing: systemd, by the socket that it names.

A datagram of lines such as `READY=1` to NOTIFY_SOCKET (sd_notify(3)). Without that variable nobody
wants to know. Nothing waits for it, and nothing fails by it.
"""

import logging
import os
import socket

_log = logging.getLogger(__name__)


def tell(*lines: str) -> None:
    """Sends lines: READY=1, STOPPING=1, or STATUS= and what people are shown."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address[0] == "@":  # an abstract name
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.setblocking(False)
            manager.sendto("\n".join(lines).encode(), address)
    except OSError as error:
        _log.warning("the service manager was not told: %s: %s", lines[0], error)
