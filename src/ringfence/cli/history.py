"""`ringfence history`: what changed, when, and who changed it."""

import click

from ringfence import Client, HistoryEntry
from ringfence.cli.options import Moment, client_options, country_option, json_option
from ringfence.cli.output import print_json, print_rows
from ringfence.cli.selection import Limit, limit_options, one_number, pool_option
from ringfence.engine.number import format_number
from ringfence.wording.numbers import WrittenNumbers
from ringfence.wording.times import time_text


@click.command()
@click.argument("number", metavar="[NUMBER]", required=False)
@country_option
@pool_option
@click.option("--since", type=Moment(), metavar="TIME", help="Only changes at that time or later.")
@click.option("--until", type=Moment(), metavar="TIME", help="Only changes before that time.")
@limit_options
@json_option
@client_options
def history(
    *,
    number: str | None,
    written: WrittenNumbers,
    pool: str,
    since: int | None,
    until: int | None,
    limit: Limit,
    as_json: bool,
    client: Client,
) -> None:
    """List the changes of all numbers, or of one.

    The newest come first: 1,000, unless --limit or --all says otherwise.
    """
    entries = limit.shown(
        client.list_history(
            0 if number is None else one_number(number, written),
            pool=pool,
            since=since,
            until=until,
            page_size=limit.page_size,
        )
    )
    if as_json:
        for entry in entries:
            print_json(entry)
    else:
        columns = ("CHANGED AT", "NUMBER", "FROM", "TO", "POOL", "COMMAND", "ACTOR", "RESERVATION")
        print_rows((*columns, "NOTE"), map(_row, entries))


def _row(entry: HistoryEntry) -> tuple[str, ...]:
    return (
        time_text(entry.changed_at),
        format_number(entry.number),
        entry.previous.name if entry.previous else "-",
        entry.current.name if entry.current else "-",
        entry.pool or "-",
        entry.command or "-",
        entry.actor or "-",
        entry.reservation or "-",
        entry.note,
    )
