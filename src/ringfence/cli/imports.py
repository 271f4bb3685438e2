"""`ringfence import events`: history that lies in files, as events of a feed."""

import time
from pathlib import Path

import click

from ringfence import EventKind, Tls
from ringfence.adapters.event_table import AHEAD_S_MAX, COLUMNS, EventForms, reads_tables
from ringfence.cli.import_options import ImportOptions, import_options
from ringfence.cli.import_run import Import, claim_of, run_import
from ringfence.cli.options import (
    Timeout,
    check_columns,
    columns_option,
    connection_options,
    country_option,
    date_format_option,
    feed_option,
)
from ringfence.cli.withheld_option import withheld_option
from ringfence.wording.numbers import WrittenNumbers
from ringfence.wording.times import time_reader
from ringfence.wording.withheld import Withheld

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_KINDS = [kind.name for kind in EventKind if kind]


@click.group("import")
def import_() -> None:
    """Bring in what lies in files."""


@import_.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@feed_option
@click.option(
    "--kind",
    type=click.Choice(_KINDS, case_sensitive=False),
    help="The kind of the events whose rows name none.",
)
@country_option
@columns_option
@date_format_option
@withheld_option
@import_options
@connection_options
@click.option(
    "--timeout",
    type=Timeout(),
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="How long to wait for any answer.",
)
@click.option(
    "--actor",
    metavar="NAME",
    envvar="RINGFENCE_ACTOR",
    show_envvar=True,
    help="Who sends, where no certificate says so; else the login name.",
)
@click.pass_context
def events(
    ctx: click.Context,
    *,
    files: tuple[Path, ...],
    feed: str,
    given: ImportOptions,
    kind: str | None,
    written: WrittenNumbers,
    columns: dict[str, str],
    date_format: str | None,
    withheld: Withheld,
    server: str,
    tls: Tls | None,
    timeout: float,
    actor: str | None,
) -> None:
    """Send the events of files, and say what they cover.

    CSV, also in gzip, with the columns called, caller (empty = withheld), occurred_at (or at) and
    kind. To import a file twice does no harm, and a run that was cut off goes on where it was.
    Lines that are no events go to a file that can be mended and imported. With --complete-from and
    --complete-to the feed claims that time, if every line was read and every event taken, and no
    file is without a row: that is asked about. The exit code is 1 if nothing is claimed then.
    """
    now = int(time.time())
    claim = claim_of(given, now)
    columns = _columns(columns)
    default_kind = EventKind[kind.upper()] if kind else None
    read_time = time_reader(date_format)
    forms = EventForms(now + AHEAD_S_MAX, written, read_time, default_kind, columns, withheld)
    asked = [server, str(written.country), str(date_format), str(kind), *map(str, columns.items())]
    asked += withheld.more
    wanted = Import(
        files=files,
        feed=feed,
        asked=asked,
        claim=claim,
        given=given,
        server=server,
        tls=tls,
        timeout=timeout,
        actor=actor,
    )
    if not run_import(wanted, reads_tables(forms)):
        ctx.exit(1)


def _columns(given: dict[str, str]) -> dict[str, str]:
    """What the files call our columns; `at` is another word for `occurred_at`."""
    check_columns(given, (*COLUMNS, "at"))
    if {"at", "occurred_at"} <= given.keys():
        raise click.UsageError("--column: at and occurred_at are the same column")
    return {("occurred_at" if ours == "at" else ours): theirs for ours, theirs in given.items()}
