"""The history process alone, as the supervisor runs it.

Its arguments are a data folder, a run folder and a file with the configuration.
"""

import logging
from pathlib import Path

from ringfence.server.config.config import load_config
from ringfence.server.folder.installation import Installation
from ringfence.server.followers.history.process import run_history
from ringfence.server.link.signs_of_life import SignsOfLife


def installation(data: Path, run_folder: Path, config_file: Path) -> Installation:
    """An installation whose id is that of the folder `data`."""
    return Installation(
        load_config(config_file), data, run_folder, (data / "folder_id").read_bytes(), bytes(16)
    )


class Printed(SignsOfLife):
    """Signs that people can read."""

    def __init__(self) -> None:
        """There is no pipe."""

    def ready(self) -> None:
        print("ready", flush=True)


def main(arguments: list[str]) -> None:
    """Runs until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run_history(installation(*(Path(argument) for argument in arguments)), Printed())
