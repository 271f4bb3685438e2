"""What `policies`, `pools` and `feeds` share: the form of their commands, and reading a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ringfence.cli.options import json_option
from ringfence.cli.output import print_json
from ringfence.server.config.config_problems import ConfigError

T = TypeVar("T")

_REVISION_MAX = 2**64 - 1


class SettingsGroup(click.Group):
    """A group that lists when no command is named: `ringfence pools --json`."""

    unnamed = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = [self.unnamed, *args]
        return super().parse_args(ctx, args)


def put_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `FILE` and the fields of `PutOptions`."""
    function = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))(function)
    function = click.option(
        "--revision",
        type=click.IntRange(0, _REVISION_MAX),
        metavar="N",
        help="Replace revision N, which `show` says, and no other; 0 = whichever it is.",
    )(function)
    function = click.option(
        "--dry-run",
        is_flag=True,
        help="Let the server check it, show the difference, and change nothing.",
    )(function)
    function = click.option(
        "--yes",
        is_flag=True,
        help="Do not ask: what is set and the file leaves out, such as a description, is lost.",
    )(function)
    return json_option(function)


def toml_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--toml`."""
    return click.option(
        "--toml", "as_toml", is_flag=True, help="As the file to begin from, which `put` reads."
    )(function)


def print_deleted(kind: str, name: str, *, as_json: bool) -> None:
    """Says what was deleted."""
    if as_json:
        print_json({"kind": kind, "name": name, "deleted": True})
    else:
        click.echo(f"{kind} {name}: deleted")


def read_setting(load: Callable[[Path], T], file: Path) -> T:
    """What the file says; its problems are wrong usage."""
    try:
        return load(file)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
