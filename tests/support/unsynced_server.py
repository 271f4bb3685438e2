"""A server one of whose journals is not synced, for the control of the test that cuts the power.

    python unsynced_server.py NAME serve ...

NAME is the journal's, `keeper` or `worker-N`.
"""

import sys
from pathlib import Path
from typing import Any

from ringfence.cli import main
from ringfence.server.journal import lmdb_journal as journal_lmdb
from ringfence.server.journal.journal import Journal

unsynced = sys.argv.pop(1)
open_synced = journal_lmdb.open_journal


def open_journal(folder: Path, **options: Any) -> Journal:
    """Opens it as the server does, except for that one."""
    return open_synced(folder, sync=folder.name != unsynced, **options)


if __name__ == "__main__":
    journal_lmdb.open_journal = open_journal  # before the server's modules take it from there
    main()
