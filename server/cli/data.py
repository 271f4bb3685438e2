"""`ringfence data`: what lies in a data folder."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from ringfence.engine.journal import JournalError
from ringfence.engine.journal_lmdb import DATA, check_journal
from ringfence.engine.snapshot import SnapshotError, check_snapshot, list_snapshots
from ringfence.server.cli.options import json_option


@click.group()
def data() -> None:
    """Looks into the data folder of a server that is not running."""


@data.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False))
@json_option
@click.pass_context
def verify(ctx: click.Context, folder: str, as_json: bool) -> None:
    """Check every journal and snapshot in DIR, byte by byte; nothing is changed.

    Exit code 0: all are as they were written; 1: at least one is not.
    """
    found = list(_problems(Path(folder)))
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


def _problems(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each journal and snapshot, and what is wrong with it."""
    for path in sorted((folder / "journal").glob("[!.]*")):
        if (path / DATA).exists():
            try:
                yield path, check_journal(path)
            except JournalError as error:
                yield path, [str(error)]
    snapshots = folder / "snapshots"
    for path in list_snapshots(snapshots) if snapshots.exists() else ():
        try:
            check_snapshot(path)
        except SnapshotError as error:
            yield path, [str(error)]
        else:
            yield path, []
