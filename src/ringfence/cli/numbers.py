"""`ringfence numbers`: the numbers that are tracked, by pool, verdict and prefix."""

import click

from ringfence import Client, Number, Verdict
from ringfence.cli.options import client_options, json_option
from ringfence.cli.output import print_json, print_rows
from ringfence.cli.selection import (
    Limit,
    limit_options,
    pool_option,
    prefix_option,
    verdict_option,
)
from ringfence.engine.number import format_number
from ringfence.wording.promise import clean_from
from ringfence.wording.times import time_text

_NOT_LISTED = ("rule_results", "coverage", "queue_position", "recent")


@click.command()
@pool_option
@verdict_option("Only those with this verdict", without=Verdict.UNTRACKED)
@click.option("--overdue", is_flag=True, help="Only those past the policy's longest quarantine.")
@prefix_option
@limit_options
@json_option
@client_options
def numbers(
    *,
    pool: str,
    verdicts: tuple[str, ...],
    overdue: bool,
    prefix: str,
    limit: Limit,
    as_json: bool,
    client: Client,
) -> None:
    """List the tracked numbers.

    The first 1,000, unless --limit or --all says otherwise. CLEAN AT is since when a number is
    clean, or when it will be if it stays silent and is listened to.
    """
    listed = limit.shown(
        client.list_numbers(
            pool=pool,
            verdicts=[Verdict[name] for name in verdicts],
            overdue_only=overdue,
            prefix=prefix,
            page_size=limit.page_size,
        )
    )
    if as_json:
        for number in listed:
            print_json(number, without=_NOT_LISTED)
    else:
        print_rows(
            ("NUMBER", "VERDICT", "POOL", "QUARANTINED AT", "CLEAN AT", "LAST EVENT", "EVENTS", ""),
            map(_row, listed),
        )


def _row(number: Number) -> tuple[str, ...]:
    return (
        format_number(number.number),
        number.verdict.name,
        number.pool,
        time_text(number.quarantined_at),
        time_text(clean_from(number)),
        time_text(number.last_event_at),
        str(number.events_total),
        "overdue" if number.overdue else "",
    )
