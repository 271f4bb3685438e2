"""`ringfence explain`: the verdict on one number, and why, in plain words."""

import time
from datetime import UTC, datetime

import click

from ringfence import Client
from ringfence.server.cli.explanation import explanation
from ringfence.server.cli.number_input import parse_numbers
from ringfence.server.cli.options import at_option, client_options, json_option
from ringfence.server.cli.output import print_json, terminal


@click.command()
@click.argument("number", metavar="NUMBER")
@at_option
@json_option
@client_options
def explain(number: str, at: int | None, as_json: bool, client: Client) -> None:
    """Say what the verdict on a number is, and why.

    Callers are only told apart ("caller 1 called 5 times"); who they are is nowhere stored.
    """
    try:
        first, last = parse_numbers(number)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if first != last:
        raise click.UsageError("one number at a time")
    known = client.get_number(first, at=at)
    if as_json:
        print_json(known)
    else:
        asked_at = datetime.fromtimestamp(at or time.time(), UTC)
        terminal().print(explanation(known, asked_at))
