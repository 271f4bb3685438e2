"""HOST:PORT between text and its two parts, with IPv6 hosts in brackets: `[::1]:50051`."""

import re

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
