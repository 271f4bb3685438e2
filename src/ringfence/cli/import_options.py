"""What the adapters that read finished files are told: which files, and what they prove."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ringfence.cli.options import Moment, json_option
from ringfence.cli.reject_file import rejects_option
from ringfence.engine.wrong_path import wrong_path


@dataclass(frozen=True)
class ImportOptions:
    """What was said of an import; times in unix seconds."""

    complete_from: int | None
    complete_to: int | None
    yes: bool
    restart: bool
    rejects: Path | None
    as_json: bool

    @property
    def any(self) -> bool:
        """Whether anything was said."""
        return any((*self.of_files, self.restart))

    @property
    def of_files(self) -> tuple[object, ...]:
        """What goes with finished files alone."""
        return (self.complete_from, self.complete_to, self.yes, self.rejects, self.as_json)


def import_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --complete-from, --complete-to, --yes, --restart, --rejects and --json; the command gets
    `given`, the ImportOptions.
    """

    @wraps(function)
    def command(
        *args: Any,
        complete_from: int | None,
        complete_to: int | None,
        yes: bool,
        restart: bool,
        rejects: Path | None,
        as_json: bool,
        **others: Any,
    ) -> Any:
        given = ImportOptions(complete_from, complete_to, yes, restart, rejects, as_json)
        return function(*args, given=given, **others)

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
                help="Claim that time though a file has nothing in it, as nothing came.",
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
        command = option(command)
    return command


def _inside(folder: Path) -> Iterator[Path]:
    """All below a folder, along links too, which may lead in circles. Raises OSError for one that
    cannot be read: a claim would be for its records too.
    """
    entered: set[str] = set()

    def told(error: OSError) -> None:
        raise error

    for path, folders, names in os.walk(folder, onerror=told, followlinks=True):
        real = os.path.realpath(path)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        yield from (Path(path, name) for name in names)


def files_of(paths: tuple[Path, ...]) -> list[Path]:
    """All files, those of directories by name; each once, whatever ways lead to it."""
    files: dict[Path, Path] = {}
    for path in paths:
        try:
            if not path.exists():
                raise click.BadParameter(
                    f"path {str(path)!r} does not exist", param_hint="'FILE...'"
                )
            inside = sorted(_inside(path)) if path.is_dir() else [path]
            for each in inside:
                if path.is_dir() and (each.name.startswith(".") or ".rejects" in each.name):
                    continue
                if each.is_file():
                    files.setdefault(each.resolve(), each)
        except OSError as error:
            raise click.BadParameter(wrong_path(error, path), param_hint="'FILE...'") from None
    if not files:
        raise click.UsageError(f"no file in {paths[0]}: nothing to read")
    return list(files.values())
