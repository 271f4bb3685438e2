"""What `policies`, `pools` and `feeds` share: the form of their commands, and reading a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ringfence import Feed, Policy, Pool
from ringfence.server.config.config_problems import ConfigError

T = TypeVar("T")


class SettingsGroup(click.Group):
    """A group that lists when no command is named: `ringfence pools --json`."""

    unnamed = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = [self.unnamed, *args]
        return super().parse_args(ctx, args)


def put_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `FILE`, `--revision` and `--dry-run`."""
    function = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))(function)
    function = click.option(
        "--revision",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help="Replace revision N, which `show` says, and no other; 0 = whichever it is.",
    )(function)
    return click.option(
        "--dry-run", is_flag=True, help="Let the server check it, and change nothing."
    )(function)


def print_stored(kind: str, stored: Policy | Pool | Feed, dry_run: bool) -> None:
    """Says what the server has made, or would make, of a put."""
    now = "would be accepted; nothing has changed" if dry_run else f"revision {stored.revision}"
    click.echo(f"{kind} {stored.name}: {now}")


def read_setting(load: Callable[[Path], T], file: Path) -> T:
    """What the file says; its problems are wrong usage."""
    try:
        return load(file)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
