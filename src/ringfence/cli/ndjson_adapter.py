"""`ringfence adapter ndjson`: lines of JSON from a pipe, or in files."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ringfence import Tls
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.adapters.event_table import AHEAD_S_MAX
from ringfence.adapters.ndjson.records import line_records
from ringfence.adapters.ndjson.schema import schema_text
from ringfence.adapters.ndjson.standard_input import StandardInput
from ringfence.adapters.run import run_live
from ringfence.cli.adapter_run import (
    patience_option,
    run_beside_look,
    said_by,
    summed_up,
)
from ringfence.cli.import_options import ImportOptions, files_of, import_options
from ringfence.cli.import_run import Import, claim_of, run_import
from ringfence.cli.live_lines import live_desk, say_what_is_missing
from ringfence.cli.options import connection_options, feed_option, switch_country_option
from ringfence.cli.withheld_option import withheld_option
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_say = said_by("ndjson")
_INPUT = Path("-")


def _print_schema(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(schema_text())
        ctx.exit()


@click.command()
@click.argument(
    "paths",
    metavar="[FILE...|-]",
    nargs=-1,
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
)
@feed_option
@switch_country_option
@withheld_option
@import_options
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON Schema of a line, and end.",
)
@connection_options
@patience_option
@click.pass_context
def ndjson(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    feed: str,
    plan: DialPlan,
    withheld: Withheld,
    given: ImportOptions,
    server: str,
    tls: Tls | None,
    timeout: float,
) -> None:
    """Send attempts that a program writes as lines of JSON: each line is one event.

    From standard input they are sent as they come, until it ends and all is answered, or until
    SIGTERM or Ctrl-C; time is claimed as far as lines with heard_from and heard_to say. Files, also
    packed by gzip, bzip2 or xz, and all files of directories, are imported as `ringfence adapter
    cdr` does it: then --complete-from and --complete-to claim.
    """
    if not paths or _INPUT in paths:
        if len(paths) > 1:
            raise click.UsageError("- is standard input, and goes with no file")
        if given.any:
            raise click.UsageError(
                "--complete-from, --complete-to, --yes, --restart, --rejects and --json go with"
                " files; in standard input lines with heard_from and heard_to claim"
            )
        _run_live(feed, plan, withheld=withheld, server=server, tls=tls, timeout=timeout)
        return
    now = int(time.time())
    wanted = Import(
        files=files_of(paths),
        feed=feed,
        asked=[server, str(plan.code), "ndjson", *withheld.more],
        claim=claim_of(given, now),
        given=given,
        server=server,
        tls=tls,
        timeout=timeout,
    )
    reader = CdrReader(line_records, plan, latest=now + AHEAD_S_MAX, withheld=withheld)
    if not run_import(wanted, reader):
        ctx.exit(1)


def _run_live(
    feed: str,
    plan: DialPlan,
    *,
    withheld: Withheld,
    server: str,
    tls: Tls | None,
    timeout: float,
) -> None:
    stream, desk, hearing = live_desk(feed, plan, withheld, server, tls)
    with summed_up(server, desk.tally, stream, _say):
        running = run_live(
            StandardInput(desk),
            stream,
            patience_s=timeout,
            say_ready=lambda at: click.echo(
                f"ringfence adapter ndjson ready {at} feed={feed} server={server}"
            ),
            say=_say,
        )
        hint = say_what_is_missing(desk.tally, lambda: hearing.said, _say)
        run_beside_look(running, server, feed, tls, _say, hint)
