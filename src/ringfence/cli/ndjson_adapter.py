"""`ringfence adapter ndjson`: lines of JSON from a pipe, or in files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import click

from ringfence import EventStream, Tls
from ringfence.adapters.base import Tally
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.adapters.event_table import AHEAD_S_MAX
from ringfence.adapters.first_hint import WAIT_S, hint_of
from ringfence.adapters.ndjson.desk import Desk
from ringfence.adapters.ndjson.hearing import Hearing
from ringfence.adapters.ndjson.records import line_records
from ringfence.adapters.ndjson.schema import schema_text
from ringfence.adapters.ndjson.standard_input import StandardInput
from ringfence.adapters.run import run_live
from ringfence.cli.adapter_run import (
    Say,
    patience_option,
    run_beside_look,
    said_by,
    summed_up,
)
from ringfence.cli.import_options import files_of, import_options
from ringfence.cli.import_run import Import, claim_of, run_import
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
    complete_from: int | None,
    complete_to: int | None,
    yes: bool,
    restart: bool,
    rejects: Path | None,
    as_json: bool,
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
        given = (complete_from, complete_to, yes, restart, rejects, as_json)
        if len(paths) > 1:
            raise click.UsageError("- is standard input, and goes with no file")
        if any(given):
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
        claim=claim_of(complete_from, complete_to, now),
        rejects=rejects,
        yes=yes,
        restart=restart,
        as_json=as_json,
        server=server,
        tls=tls,
        timeout=timeout,
        actor=None,
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


def live_desk(
    feed: str, plan: DialPlan, withheld: Withheld, server: str, tls: Tls | None
) -> tuple[EventStream, Desk, Hearing]:
    """What takes lines live, and the stream that it fills; claims are what was heard."""

    def lose(began: int, ended: int) -> None:
        stream.lose(began, ended)

    hearing = Hearing(lose, time.time())
    try:
        stream = EventStream(
            server, feed, lateness_s=0.0, heard_until=lambda: float(hearing.until), tls=tls
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return stream, Desk(stream, hearing, plan, withheld=withheld), hearing


async def say_what_is_missing(
    tally: Tally, has_heard: Callable[[], bool], say: Say, *, wait_s: float = WAIT_S
) -> None:
    """Says once, after a while, that nothing comes, or that nothing is claimed."""
    await asyncio.sleep(wait_s)
    if not any(tally.values()):
        say(f"after {wait_s:g} s nothing has arrived: does the program that should write run?")
    elif hint := hint_of(tally):
        say(f"after {wait_s:g} s {hint}")
    if not has_heard():
        say(
            f"after {wait_s:g} s no line said heard_from and heard_to: nothing is claimed, so that"
            " silence proves nothing"
        )
