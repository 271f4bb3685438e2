"""`ringfence reserve`, `confirm`, `extend`, `cancel`: the life of a reservation."""

from datetime import timedelta
from uuid import uuid4

import click

from ringfence import Client
from ringfence.cli.completion import complete_pool
from ringfence.cli.error_text import error_text
from ringfence.cli.not_clean import not_clean_lines, why_text
from ringfence.cli.number_input import NumberInput
from ringfence.cli.options import (
    AnswerIsNo,
    Duration,
    client_options,
    json_option,
    numbers_input,
)
from ringfence.cli.reservations import print_reservation
from ringfence.cli.selection import prefix_option
from ringfence.engine.number import format_number
from ringfence.errors import DeadlineExceeded, NotClean, RingfenceError, Unavailable, Unreachable

RESERVED_NUMBERS_MAX = 10_000


@click.command()
@click.argument("pool", shell_complete=complete_pool)
@numbers_input
@click.option(
    "--count",
    type=click.IntRange(1, RESERVED_NUMBERS_MAX),
    metavar="N",
    help="How many numbers; those that have been clean for longest.",
)
@prefix_option
@click.option(
    "--lease",
    type=Duration(),
    metavar="DURATION",
    help="How long they are kept, such as 30m (the default) or 2d; 1s to 30d.",
)
@click.option(
    "--request-id",
    default="",
    metavar="TEXT",
    help="An id of this request: repeated with it, the command gives the first answer again.",
)
@click.option(
    "--allow-partial", is_flag=True, help="Take what is clean when it is not all that was asked."
)
@json_option
@client_options
@click.pass_context
def reserve(
    ctx: click.Context,
    *,
    pool: str,
    given: NumberInput,
    count: int | None,
    prefix: str,
    lease: timedelta | None,
    request_id: str,
    allow_partial: bool,
    as_json: bool,
    client: Client,
) -> None:
    """Keep clean numbers of a pool for a while.

    --count N of those in POOL, or exactly NUMBERS. They are kept for the lease: `ringfence confirm`
    then hands them out, `ringfence cancel` gives them back, and they come back by themselves when
    it runs out. The exit code is 1 when there are too few clean numbers, or one of NUMBERS is not
    clean, which is named with the reason, or with --allow-partial none is; nothing is reserved
    then.
    """
    if pool.startswith("+") or pool == "-":
        raise click.UsageError("the first argument is the pool: ringfence reserve POOL ...")
    named = bool(given)
    if named == (count is not None):
        raise click.UsageError("either --count N or NUMBERS")
    if named and prefix:
        raise click.UsageError("--prefix goes with --count")
    numbers = given.read().number.tolist() if named else []
    if len(numbers) > RESERVED_NUMBERS_MAX:
        raise click.UsageError(
            f"too many numbers: numbers={len(numbers)}, limit={RESERVED_NUMBERS_MAX}"
        )
    request_id = request_id or uuid4().hex
    try:
        reservation = client.reserve_numbers(
            pool,
            count or 0,
            numbers=numbers,
            prefix=prefix,
            lease=lease,
            request_id=request_id,
            allow_partial=allow_partial,
        )
    except (Unreachable, Unavailable, DeadlineExceeded):
        click.echo(
            "whether numbers were reserved is open: the same command with"
            f" --request-id {request_id} reserves them once and no more",
            err=True,
        )
        raise
    except NotClean as error:
        raise AnswerIsNo(_with_reasons(client, numbers, error), error) from None
    print_reservation(reservation, as_json=as_json)
    if not reservation.count:
        ctx.exit(1)


def _with_reasons(client: Client, numbers: list[int], error: NotClean) -> str:
    """The error with every number that is not clean, and why; it has only ten itself."""
    try:
        lines = list(not_clean_lines(client.check_numbers(numbers)))
    except RingfenceError:
        lines = []
    return "\n  ".join([str(error), *lines]) if lines else error_text(error)


@click.command()
@click.argument("id")
@click.option(
    "--allow-partial",
    is_flag=True,
    help="Hand out those that are still clean, and put the others back into quarantine.",
)
@json_option
@client_options
@click.pass_context
def confirm(
    ctx: click.Context, *, id: str, allow_partial: bool, as_json: bool, client: Client
) -> None:
    """Hand out the numbers of a reservation.

    If all are still clean; to repeat it does no harm. The exit code is 1 when one of them is not,
    and nothing has changed then; with --allow-partial only when none of them is.
    """
    try:
        reservation = client.confirm_reservation(id, allow_partial=allow_partial)
    except NotClean as error:
        raise AnswerIsNo(_not_clean(client, id, error), error) from None
    print_reservation(reservation, as_json=as_json)
    if not reservation.count:
        ctx.exit(1)


def _not_clean(client: Client, id: str, error: NotClean) -> str:
    """The error with every number that is not clean any more; it has only ten itself."""
    try:
        refused = client.get_reservation(id).refused
    except RingfenceError:
        return error_text(error)
    lines = [f"{format_number(each.number)}  {why_text(each.verdict)}" for each in refused]
    return "\n  ".join([str(error), *lines])


@click.command()
@click.argument("id")
@click.option(
    "--lease",
    type=Duration(),
    required=True,
    metavar="DURATION",
    help="How long the numbers are kept from now on, such as 2h; 1s to 30d.",
)
@json_option
@client_options
def extend(id: str, lease: timedelta, as_json: bool, client: Client) -> None:
    """Let a reservation end at another time.

    The new lease counts from now, and may be shorter than the old one.
    """
    print_reservation(client.extend_reservation(id, lease), as_json=as_json)


@click.command()
@click.argument("id")
@json_option
@client_options
def cancel(id: str, as_json: bool, client: Client) -> None:
    """Give the numbers of a reservation back.

    To repeat it does no harm.
    """
    print_reservation(client.cancel_reservation(id), as_json=as_json)
