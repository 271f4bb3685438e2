"""How far journals may be truncated: published by who took a snapshot, done by who has a journal.

A small file in the run folder, replaced as a whole. No journal is truncated beyond what the older
of the two kept snapshots stands for, so each of the two can be recovered from.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from ringfence.server.journal.journal import Journal
from ringfence.server.journal.lmdb_journal import open_journal

_NAME = "truncate.json"
_LOOK_S = 0.5
_POLL_S = 0.02


def publish_truncation(run_folder: Path, upto: Mapping[str, int]) -> None:
    """Says for each journal, by name, up to which position its values may go."""
    draft = run_folder / f"{_NAME}.new"
    draft.write_text(json.dumps(dict(upto)), "utf-8")
    draft.rename(run_folder / _NAME)


async def keep_truncating(
    run_folder: Path, journal: Journal, upto_most: Callable[[], int] = lambda: sys.maxsize
) -> None:
    """Truncates one's own journal whenever it was published that it may be, but not beyond
    `upto_most`; never returns.
    """
    while True:
        with suppress(FileNotFoundError):  # nothing may go yet
            upto = json.loads((run_folder / _NAME).read_text("utf-8"))
            journal.truncate(min(upto.get(journal.folder.name, 0), upto_most()))
        await asyncio.sleep(_LOOK_S)


def truncate_orphan(folder: Path, upto: int, *, identity: bytes, map_size_bytes: int) -> None:
    """Truncates a journal that no process has; returns when it is done, or cannot be done now."""
    with closing(open_journal(folder, identity=identity, map_size_bytes=map_size_bytes)) as journal:
        journal.truncate(upto)
        while journal.writable and journal.first <= min(upto, journal.last - 1):
            time.sleep(_POLL_S)
