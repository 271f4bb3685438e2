"""The files that a command is given, by themselves or in directories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


def files_in(paths: Sequence[Path]) -> list[Path]:
    """All files, those of directories by name; each once, whatever ways lead to it."""
    files: dict[Path, Path] = {}
    for path in paths:
        inside = sorted(each for each in path.rglob("*")) if path.is_dir() else [path]
        for each in inside:
            if path.is_dir() and (each.name.startswith(".") or ".rejects" in each.name):
                continue
            if each.is_file():
                files.setdefault(each.resolve(), each)
    if not files:
        raise click.UsageError(f"no file in {paths[0]}: nothing to read")
    return list(files.values())
