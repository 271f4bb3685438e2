"""The history process alone, as the supervisor runs it: `history_process.py DATA RUN CONFIG`."""

import logging
import sys
from pathlib import Path

from ringfence.server.config.config import load_config
from ringfence.server.folder.installation import Installation
from ringfence.server.followers.history.process import run_history


def installation(data: Path, run_folder: Path, config_file: Path) -> Installation:
    """An installation whose id is that of the folder `data`."""
    return Installation(
        load_config(config_file), data, run_folder, (data / "folder_id").read_bytes(), bytes(16)
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run_history(
        installation(*(Path(argument) for argument in sys.argv[1:4])),
        lambda: print("ready", flush=True),
    )
