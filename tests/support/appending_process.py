"""A process that appends to a journal until it is killed, and writes what was acknowledged.

    python appending_process.py FOLDER KEEP

The value at a position is `value_of(position)`. Every acknowledged position is a line on the
standard output. All but KEEP values are let go again.
"""

import os
import sys
import threading
from pathlib import Path

from ringfence.server.journal.journal import JournalError
from ringfence.server.journal.lmdb_journal import open_journal
from support.journal_answers import IDENTITY, value_of

WAITING = 20


def main(folder: Path, keep: int) -> None:
    """Appends without an end."""
    journal = open_journal(folder, identity=IDENTITY)
    places = threading.Semaphore(WAITING)

    def done(outcome: int | JournalError) -> None:
        os.write(1, f"{outcome}\n".encode())
        places.release()

    position = journal.last
    while True:
        places.acquire()
        position += 1
        journal.append(value_of(position), done)
        if position % 25 == 0:
            journal.truncate(position - keep)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
