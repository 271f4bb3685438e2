"""The pages of a journal's file, read without the C library, which damaged ones can bring down.

The layout is that of LMDB 0.9.
"""

import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import cast

import lmdb.verify

from ringfence.server.journal.journal import JournalDamaged

_META_BYTES = 152
_PAGE_SIZE_AT, _LAST_PAGE_AT, _TRANSACTION_AT = 40, 136, 144  # in a meta page


def page_problems(path: Path) -> list[str]:
    """What is wrong with the pages, all of them walked; nothing = they can be opened."""
    try:
        check_metas(path)
        verify = cast(Callable[[str], list[str]], lmdb.verify.verify)
        return [f"{path}: {problem}" for problem in verify(str(path))]
    except JournalDamaged as error:
        return [str(error)]
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    except lmdb.verify.VerifyError as error:
        return [f"{path}: {error}"]


def check_metas(path: Path) -> None:
    """Raises JournalDamaged unless the two meta pages are of neighbouring transactions.

    They are written in turn, the even transactions to the first page. LMDB takes the newer one:
    were its number damaged, LMDB could go back by a commit and say nothing.
    """
    even, odd = (struct.unpack_from("=Q", meta, _TRANSACTION_AT)[0] for meta in _metas(path))
    if (even, odd) != (0, 0) and (even % 2 or not odd % 2 or abs(even - odd) != 1):
        raise JournalDamaged(
            f"{path}: meta pages are not of neighbouring transactions: {even}, {odd}"
        )


def is_cut_short(path: Path) -> bool:
    """Whether the file ends before the last page that was ever used; raises JournalDamaged.

    LMDB maps the file: to read a page behind its end is a SIGBUS. A page there may be free and
    never written, which is no damage; only the walk of all pages can tell.
    """
    newer = max(_metas(path), key=lambda meta: struct.unpack_from("=Q", meta, _TRANSACTION_AT))
    (page_size,) = struct.unpack_from("=I", newer, _PAGE_SIZE_AT)
    (last_page,) = struct.unpack_from("=Q", newer, _LAST_PAGE_AT)
    size: int = (last_page + 1) * page_size
    return path.stat().st_size < size


def _metas(path: Path) -> tuple[bytes, bytes]:
    """The two meta pages."""
    with open(path, "rb") as file:
        head = file.read(_META_BYTES)
        (page_size,) = struct.unpack_from("=I", head.ljust(_META_BYTES, b"\0"), _PAGE_SIZE_AT)
        size, least = os.fstat(file.fileno()).st_size, 2 * (page_size or mmap.PAGESIZE)
        if size < least:
            raise JournalDamaged(f"{path}: too short to be a journal: bytes={size}, least={least}")
        file.seek(page_size)
        return head, file.read(_META_BYTES)
