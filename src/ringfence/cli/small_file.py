"""Files that a person has written for a command: whole, and never more than a person writes."""

from __future__ import annotations

from pathlib import Path

from ringfence.cli.options import Failed
from ringfence.engine.wrong_path import wrong_path

BYTES_MAX = 1 << 20


def small_text(path: Path) -> str:
    """What is in it. Raises Failed where it cannot be read, is too long or is no text."""
    try:
        with path.open("rb") as file:
            octets = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise Failed(wrong_path(error, path)) from None
    if len(octets) > BYTES_MAX:
        raise Failed(f"{path}: value=more, bound=a text of {BYTES_MAX // 1024} KiB at most")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Failed(f"{path} is not UTF-8") from None
