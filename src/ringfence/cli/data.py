"""`ringfence data`: what lies in a data folder."""

import json
from pathlib import Path

import click

from ringfence.cli.data_backup import backup, restore
from ringfence.cli.export import export
from ringfence.cli.options import Failed, json_option
from ringfence.engine.wrong_path import wrong_path
from ringfence.server.folder.data_folder import served_by
from ringfence.server.tools.data_verify import folder_problems


@click.group()
def data() -> None:
    """Checks, copies and restores the data folder of a server."""


@data.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False))
@json_option
@click.pass_context
def verify(ctx: click.Context, folder: str, as_json: bool) -> None:
    """Check all files in the data folder DIR, byte by byte; nothing is changed.

    No server may run on it: what it writes is in use.

    Exit code 0: all are as they were written; 1: at least one is not; 4: it is being served.
    """
    try:
        if pid := served_by(Path(folder)):
            raise Failed(
                f"{folder} is served by pid {pid}, which writes to it: make a backup, which is"
                " verified, or stop that server"
            )
        found = list(folder_problems(Path(folder)))
    except OSError as error:
        raise Failed(wrong_path(error)) from None
    for path, problems in found:
        if as_json:
            click.echo(json.dumps({"path": str(path), "problems": problems}))
        else:
            click.echo(f"{'damaged' if problems else 'whole  '}  {path}")
            for problem in problems:
                click.echo(f"         {problem}")
    if not found:
        raise click.UsageError(f"no journal and no snapshot in {folder}: is it a data folder?")
    if any(problems for _, problems in found):
        ctx.exit(1)


data.add_command(backup)
data.add_command(restore)
data.add_command(export)
