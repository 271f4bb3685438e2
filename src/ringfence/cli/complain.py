"""`ringfence complain`: a customer is called by strangers on a number that was handed out."""

from datetime import UTC, datetime

import click

from ringfence import Client
from ringfence.cli.options import Moment, client_options, country_option, json_option, note_option
from ringfence.cli.output import print_json
from ringfence.cli.selection import one_number
from ringfence.engine.number import format_number
from ringfence.wording.numbers import WrittenNumbers


@click.command()
@click.argument("number")
@country_option
@note_option(required=True)
@click.option(
    "--received-at",
    type=Moment(),
    metavar="TIME",
    help="When the complaint came in. Now, if not given.",
)
@json_option
@client_options
def complain(
    *,
    number: str,
    written: WrittenNumbers,
    note: str,
    received_at: int | None,
    as_json: bool,
    client: Client,
) -> None:
    """Record that the owner of a number complains of strangers.

    The number is handed out, or was within 400 days. `ringfence pools` counts complaints for each
    1,000 numbers handed out: the yardstick of whether a policy works.
    """
    complained = one_number(number, written)
    client.report_complaint(complained, note=note, received_at=received_at)
    if as_json:
        at = None if received_at is None else datetime.fromtimestamp(received_at, UTC)
        print_json({"number": complained, "note": note, "received_at": at})
        return
    click.echo(f"complaint recorded: {format_number(complained)}")
