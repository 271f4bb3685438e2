"""`ringfence quarantine`: puts numbers into quarantine, from one to millions."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

import click
import numpy as np
import numpy.typing as npt

from ringfence import Client, DisconnectReason, QuarantineResult
from ringfence.cli.completion import complete_pool
from ringfence.cli.number_input import Numbers, read_numbers
from ringfence.cli.options import (
    Failed,
    Moment,
    client_options,
    json_option,
    numbers_input,
)
from ringfence.cli.output import print_facts, print_json, progress
from ringfence.engine.number import format_number

REJECTIONS_SHOWN_MAX = 100
_REASONS = [reason.name for reason in DisconnectReason if reason]


@click.command()
@numbers_input
@click.option(
    "--pool",
    default="default",
    show_default=True,
    metavar="NAME",
    shell_complete=complete_pool,
    help="The pool to put them in.",
)
@click.option(
    "--quarantined-at",
    type=Moment(),
    metavar="TIME",
    help="When the quarantine began: when the last subscriber left. Now, if not given.",
)
@click.option(
    "--observed-since",
    type=Moment(),
    metavar="TIME",
    help="From when their traffic is or will be imported. Now, if not given.",
)
@click.option(
    "--reason",
    type=click.Choice(_REASONS, case_sensitive=False),
    metavar="REASON",
    help=f"Why the last subscriber left: {', '.join(_REASONS)}.",
)
@json_option
@client_options
@click.pass_context
def quarantine(
    ctx: click.Context,
    *,
    arguments: tuple[str, ...],
    file: IO[bytes] | None,
    pool: str,
    quarantined_at: int | None,
    observed_since: int | None,
    reason: str | None,
    as_json: bool,
    client: Client,
) -> None:
    """Put numbers into quarantine.

    NUMBERS are written with +, ranges as +A-+B; - reads them from standard input. A CSV file may
    also have the columns quarantined_at, observed_since, reason and pool; where a cell is empty the
    option counts. All is read and checked before anything is sent; a command that was interrupted
    can be repeated, numbers already in quarantine stay as they are. The exit code is 1 if a number
    was rejected.
    """
    numbers = read_numbers(arguments, file)
    if numbers.ignored_columns:
        click.echo(f"columns not read: {', '.join(numbers.ignored_columns)}", err=True)
    _check_pools(client, numbers)
    with progress("quarantining", len(numbers.number)) as bar:
        result = _send(
            client,
            _filled(numbers, quarantined_at, observed_since, reason),
            pool,
            lambda sent: bar.update(bar.task_ids[0], completed=sent),
        )
    if as_json:
        print_json(result)
    else:
        print_facts(
            {
                "accepted": f"{result.accepted:,}",
                "already quarantined": f"{result.already_quarantined:,}",
                "rejected": f"{result.rejected:,}",
            }
        )
        for rejection in result.rejections:
            click.echo(f"  {format_number(rejection.number)}  {rejection.reason}")
        if result.rejected > len(result.rejections):
            click.echo(f"  and {result.rejected - len(result.rejections):,} more")
    if result.rejected:
        ctx.exit(1)


def _check_pools(client: Client, numbers: Numbers) -> None:
    """Refuses a file with an unknown pool before any of its numbers is sent."""
    named = set(numbers.pool_names) - {""}
    if named and (unknown := named - {status.pool.name for status in client.list_pools()}):
        raise Failed(f"no such pool: {', '.join(sorted(unknown))}; nothing was sent")


def _filled(
    numbers: Numbers, quarantined_at: int | None, observed_since: int | None, reason: str | None
) -> Numbers:
    """The numbers with the options' values where the file says nothing."""

    def fill(column: npt.NDArray[np.uint32], value: int | None) -> npt.NDArray[np.uint32]:
        return np.where(column == 0, np.uint32(value or 0), column)

    return Numbers(
        numbers.number,
        fill(numbers.quarantined_at, quarantined_at),
        fill(numbers.observed_since, observed_since),
        np.where(numbers.reason == 0, DisconnectReason[reason or "UNSPECIFIED"], numbers.reason),
        numbers.pool,
        numbers.pool_names,
        numbers.ignored_columns,
    )


def _send(
    client: Client, numbers: Numbers, default_pool: str, progress: Callable[[int], None]
) -> QuarantineResult:
    """Sends the numbers, one stream for each group of rows alike, and adds up the answers."""
    results = []
    sent_before = 0
    for pool, rows in _groups(numbers):
        quarantined_at, observed_since = numbers.quarantined_at[rows], numbers.observed_since[rows]
        results.append(
            client.quarantine_numbers(
                numbers.number[rows],
                pool=pool or default_pool,
                quarantined_at=quarantined_at if quarantined_at[0] else None,
                reason=numbers.reason[rows],
                observed_since=observed_since if observed_since[0] else None,
                progress=partial(_add, progress, sent_before),
            )
        )
        sent_before += len(rows)
    return QuarantineResult(
        sum(result.accepted for result in results),
        sum(result.already_quarantined for result in results),
        sum(result.rejected for result in results),
        tuple(rejection for result in results for rejection in result.rejections)[
            :REJECTIONS_SHOWN_MAX
        ],
    )


def _add(progress: Callable[[int], None], before: int, sent: int) -> None:
    progress(before + sent)


def _groups(numbers: Numbers) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
    """Pool and rows of those that have the same pool and the same times given.

    "Now" is the server's and cannot be said for single numbers of a request.
    """
    key = (
        numbers.pool.astype(np.uint32) * 4
        + (numbers.quarantined_at != 0) * 2
        + (numbers.observed_since != 0)
    )
    for group in np.unique(key):
        yield numbers.pool_names[group // 4], np.flatnonzero(key == group)
