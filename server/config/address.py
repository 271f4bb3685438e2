"""Where a server is: HOST:PORT, with IPv6 hosts in brackets as `[::1]:50051`, or unix:/path."""

import os
import re

_UNIX = "unix:"
PATH_BYTES_MAX = 107  # sun_path of unix(7), less the zero at its end

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})")


def parse_address(text: str) -> tuple[str, int]:
    """Host (without brackets) and port; raises ValueError with the value and the form expected."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65_535:
        raise ValueError(
            f"value={text[:80]!r}, bound=HOST:PORT with a port up to 65535, such as"
            " 127.0.0.1:50051 or [::1]:50051"
        )
    return match["v6"] or match["host"], int(match["port"])


def socket_path(text: str) -> str | None:
    """The path of `unix:/path`, None for another kind; raises ValueError for one that cannot be."""
    if not text.startswith(_UNIX):
        return None
    path = text.removeprefix(_UNIX)
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError(f"value={text[:80]!r}, bound=unix:/path, from the root on")
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise ValueError(f"value={len(os.fsencode(path))} bytes, bound={PATH_BYTES_MAX} of a path")
    return path


def check_address(text: str) -> None:
    """Raises ValueError for what is neither HOST:PORT nor unix:/path."""
    if socket_path(text) is None:
        parse_address(text)
