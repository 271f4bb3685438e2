"""What the adapters that read finished files are told: which files, and what they prove."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ringfence.cli.options import Moment, json_option
from ringfence.cli.reject_file import rejects_option


def import_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --complete-from, --complete-to, --yes, --restart, --rejects and --json."""
    for option in reversed(
        (
            click.option(
                "--complete-from",
                type=Moment(),
                metavar="TIME",
                help="With --complete-to: the files hold everything that came from then on, so"
                " silence counts.",
            ),
            click.option(
                "--complete-to", type=Moment(), metavar="TIME", help="Up to then, itself not in it."
            ),
            click.option(
                "--yes",
                is_flag=True,
                help="Claim that time though a file has no record, as nothing came.",
            ),
            click.option(
                "--restart",
                is_flag=True,
                help="Begin anew, and not where the last run was cut off.",
            ),
            rejects_option,
            json_option,
        )
    ):
        function = option(function)
    return function


def files_of(paths: tuple[Path, ...]) -> list[Path]:
    """All files, those of directories by name; each once, whatever ways lead to it."""
    files: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise click.BadParameter(f"path {str(path)!r} does not exist", param_hint="'FILE...'")
        inside = sorted(each for each in path.rglob("*")) if path.is_dir() else [path]
        for each in inside:
            if path.is_dir() and (each.name.startswith(".") or ".rejects" in each.name):
                continue
            if each.is_file():
                files.setdefault(each.resolve(), each)
    if not files:
        raise click.UsageError(f"no file in {paths[0]}: nothing to read")
    return list(files.values())
