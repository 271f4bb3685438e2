"""How far journals may be truncated: published by who took a snapshot, read by who has a journal.

A small file in the run folder, replaced as a whole. No journal is truncated beyond what the older
of the two kept snapshots stands for, so each of the two can be recovered from.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

_NAME = "truncate.json"


def publish_truncation(run_folder: Path, upto: Mapping[str, int]) -> None:
    """Says for each journal, by name, up to which position its values may go."""
    draft = run_folder / f"{_NAME}.new"
    draft.write_text(json.dumps(dict(upto)), "utf-8")
    draft.rename(run_folder / _NAME)


def published_truncation(run_folder: Path) -> Mapping[str, int]:
    """What was published last; nothing may go yet where nothing was."""
    try:
        return cast(Mapping[str, int], json.loads((run_folder / _NAME).read_text("utf-8")))
    except FileNotFoundError:
        return {}
