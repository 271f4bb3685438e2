"""Files and names made durable, one way for journals, snapshots and everything beside them."""

import os
from pathlib import Path


def sync(*paths: Path) -> None:
    """Makes what is in files, and the names in folders, durable."""
    for path in paths:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
