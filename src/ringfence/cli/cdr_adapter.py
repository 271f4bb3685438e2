"""`ringfence adapter cdr`: the call detail records that a switch has written to files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TextIO

import click

from ringfence import EventKind, Tls
from ringfence.adapters.cdr import any_csv, kamailio_acc
from ringfence.adapters.cdr.formats import FORMATS, Forms
from ringfence.adapters.cdr.freeswitch_csv import EXAMPLE
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.adapters.cdr.ts32298.tags import TagMap, usual_tags
from ringfence.adapters.event_table import AHEAD_S_MAX
from ringfence.cli.adapter_run import patience_option
from ringfence.cli.cdr_follow import LONGEST_CALL_S, FollowedRecords, follow_options, follow_records
from ringfence.cli.import_options import ImportOptions, files_of, import_options
from ringfence.cli.import_run import Import, claim_of, run_import
from ringfence.cli.options import (
    check_columns,
    columns_option,
    connection_options,
    date_format_option,
    feed_option,
    switch_country_option,
)
from ringfence.cli.withheld_option import withheld_option
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_HEADERS = {"kamailio": kamailio_acc.COLUMNS, "csv": any_csv.COLUMNS}
_KINDS = [kind.name for kind in EventKind if kind]


@click.command()
@click.argument(
    "paths",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "--format", "format_", type=click.Choice(sorted(FORMATS)), required=True, help="Who wrote them."
)
@feed_option
@switch_country_option
@click.option(
    "--zone",
    metavar="ZONE",
    default="UTC",
    show_default=True,
    help="Of times that are written without one, such as Europe/London.",
)
@click.option(
    "--template",
    metavar="COLUMN,...",
    help="The variables of the template, in their order, with --format freeswitch; those of"
    " `example`, if not given.",
)
@columns_option
@date_format_option
@click.option(
    "--kind",
    type=click.Choice(_KINDS, case_sensitive=False),
    help="With --format csv: the kind of the events whose rows name none.",
)
@click.option(
    "--tags",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE.toml",
    help="With --format ts32298: where things stand in the records of this switch, if elsewhere"
    " than TS 32.298 says.",
)
@withheld_option
@follow_options
@import_options
@connection_options
@patience_option
@click.pass_context
def cdr(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    format_: str,
    feed: str,
    plan: DialPlan,
    zone: str,
    template: str | None,
    columns: dict[str, str],
    date_format: str | None,
    kind: str | None,
    tags: TextIO | None,
    withheld: Withheld,
    given: ImportOptions,
    follow: bool,
    longest_call: int,
    state: Path | None,
    pattern: str,
    server: str,
    tls: Tls | None,
    timeout: float,
) -> None:
    """Send the attempts that call detail records tell of: each call and message is one event.

    Files, also packed by gzip, bzip2 or xz, and all files of directories. Ends when all is
    answered, as `ringfence import events` does: a run that was cut off goes on where it was,
    records that cannot be read go to a file and keep back the claim, and a second run does no harm.
    The exit code is 1 if something could not be read, or nothing is claimed though asked for.

    With --follow it reads on while the switch writes, through rotation too, until SIGTERM, and goes
    on there the next time.
    """
    now = int(time.time())
    claim = claim_of(given, now)
    if columns and format_ not in _HEADERS:
        raise click.UsageError("--column goes with --format csv and kamailio, which have a header")
    check_columns(columns, _HEADERS.get(format_, ()))
    if template is not None and format_ != "freeswitch":
        raise click.UsageError("--template goes with --format freeswitch")
    if (kind or date_format) and format_ != "csv":
        raise click.UsageError("--kind and --date-format go with --format csv")
    if tags is not None and format_ != "ts32298":
        raise click.UsageError("--tags goes with --format ts32298")
    tag_map, tags_said = _tag_map(tags)
    named = tuple(template.split(",")) if template else EXAMPLE
    default = EventKind[kind.upper()] if kind else None
    try:
        made = FORMATS[format_](Forms(zone, columns, named, date_format, default, tag_map))
    except ValueError as error:
        option = "--template" if format_ == "freeswitch" and "column" in str(error) else "--zone"
        raise click.BadParameter(str(error), param_hint=option) from None
    asked = [server, str(plan.code), format_, zone, str(template), str(date_format), str(kind)]
    asked += [*map(str, columns.items()), *withheld.more, tags_said]
    reader = CdrReader(made, plan, latest=now + AHEAD_S_MAX, withheld=withheld)
    if follow:
        if any(given.of_files):
            raise click.UsageError(
                "--follow goes without --complete-from, --complete-to, --yes, --rejects and --json"
            )
        follow_records(
            FollowedRecords(
                *(paths, format_, feed, longest_call, state, pattern, given.restart),
                *(server, tls, timeout),
            ),
            reader,
        )
        return
    if state or pattern != "*" or longest_call != LONGEST_CALL_S:
        raise click.UsageError("--longest-call, --state and --pattern go with --follow")
    wanted = Import(
        files=files_of(paths),
        feed=feed,
        asked=asked,
        claim=claim,
        given=given,
        server=server,
        tls=tls,
        timeout=timeout,
    )
    if not run_import(wanted, reader, reader.remember):
        ctx.exit(1)


def _tag_map(file: TextIO | None) -> tuple[TagMap | None, str]:
    """The map of tags with what the file says, and what the file says."""
    if file is None:
        return None, ""
    try:
        said = file.read()
        return usual_tags().with_file(said), said
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--tags") from None
