"""Truncating journals, as far as `folder/truncation.py` has published that they may be."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ringfence.server.folder.truncation import published_truncation
from ringfence.server.journal.journal import Journal
from ringfence.server.journal.lmdb_journal import open_journal

_log = logging.getLogger(__name__)
_LOOK_S = 0.5
_POLL_S = 0.02


async def keep_truncating(
    run_folder: Path, journal: Journal, upto_most: Callable[[], int] = lambda: sys.maxsize
) -> None:
    """Truncates one's own journal whenever it was published that it may be, but not beyond
    `upto_most`; never returns.
    """
    while True:
        try:
            upto = published_truncation(run_folder).get(journal.folder.name, 0)
        except OSError as error:  # it is looked at again
            _log.warning("cannot see how far to truncate: %s", error)
        else:
            journal.truncate(min(upto, upto_most()))
        await asyncio.sleep(_LOOK_S)


def truncate_orphan(folder: Path, upto: int, *, identity: bytes, map_size_bytes: int) -> None:
    """Truncates a journal that no process has; returns when it is done, or cannot be done now."""
    with closing(open_journal(folder, identity=identity, map_size_bytes=map_size_bytes)) as journal:
        journal.truncate(upto)
        while journal.writable and journal.first <= min(upto, journal.last - 1):
            time.sleep(_POLL_S)
