"""The two small files with which a data folder says who it is: `folder_id` and `caller_key`.

Each holds 16 random bytes and their checksum, as FORMATS.md draws it: were a bit of the caller key
another one, every caller would get another mark, and nobody would know.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from crc32c import crc32c

from ringfence.engine.durable_files import sync

SECRET_BYTES = 16


class SecretDamaged(Exception):
    """Such a file is not what was written; the text says which and what to do."""


def make_secret(path: Path) -> bytes:
    """Fresh random bytes, in a new file that is whole and durable when it gets its name."""
    content = secrets.token_bytes(SECRET_BYTES)
    draft = path.with_suffix(".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(_sealed(path.name, content))
    sync(draft)
    draft.rename(path)
    sync(path.parent)
    return content


def read_secret(path: Path) -> bytes:
    """The bytes in such a file; raises SecretDamaged, FileNotFoundError and other OSError."""
    found = path.read_bytes()
    sync(path.parent)  # who made it may have been killed before its name was durable
    expected = len(_sealed(path.name, bytes(SECRET_BYTES)))
    if len(found) != expected:
        raise _damaged(path, f"bytes={len(found)}, expected={expected}")
    with suppress(ValueError):  # these are not even hexadecimal digits
        content = bytes.fromhex(found[: 2 * SECRET_BYTES].decode())
        if _sealed(path.name, content) == found:
            return content
    raise _damaged(path, "content and checksum do not match: offset=0")


def _sealed(name: str, content: bytes) -> bytes:
    """What stands in the file of this name; in one of another name it does not fit."""
    return f"{content.hex()} {crc32c(name.encode() + content):08x}\n".encode()


def _damaged(path: Path, what: str) -> SecretDamaged:
    return SecretDamaged(f"{path}: damaged: {what}; put the file back from a backup")
