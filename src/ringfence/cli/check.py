"""`ringfence check`: which numbers are clean."""

from collections.abc import Iterator

import click

from ringfence import CheckedNumber, Client, Verdict
from ringfence.cli.number_input import NumberInput
from ringfence.cli.options import (
    at_option,
    client_options,
    is_ahead,
    json_option,
    numbers_input,
)
from ringfence.cli.output import print_json, print_rows
from ringfence.engine.number import format_number
from ringfence.wording.promise import CONDITION, clean_from
from ringfence.wording.times import time_text

_AT_ONCE = 10_000  # answers to show before the next are asked for


@click.command()
@numbers_input
@at_option
@json_option
@client_options
@click.pass_context
def check(
    ctx: click.Context,
    *,
    given: NumberInput,
    at: int | None,
    as_json: bool,
    client: Client,
) -> None:
    """Say which numbers are clean.

    NUMBERS are written with +, or as in --country, ranges as +A-+B; - reads them from standard
    input. CLEAN AT is since
    when a number is clean, or when it will be if it stays silent and is listened to. The exit code
    is 0 if all are CLEAN and 1 if any is not. With --at of a time to come the verdicts are a
    FORECAST for then.
    """
    numbers = given.read().number
    all_clean = True

    def checks() -> Iterator[CheckedNumber]:
        nonlocal all_clean
        for begin in range(0, len(numbers), _AT_ONCE):
            for checked in client.check_numbers(numbers[begin : begin + _AT_ONCE], at=at):
                all_clean = all_clean and checked.verdict == Verdict.CLEAN
                yield checked

    if forecast := is_ahead(at):
        click.echo(f"a forecast, no fact: so it will be {CONDITION} until then", err=True)
    if as_json:
        for checked in checks():
            print_json(checked)
    else:
        print_rows(
            ("NUMBER", "FORECAST" if forecast else "VERDICT", "CLEAN AT"),
            (
                (
                    format_number(checked.number),
                    checked.verdict.name,
                    time_text(clean_from(checked)),
                )
                for checked in checks()
            ),
        )
    if not all_clean:
        ctx.exit(1)
