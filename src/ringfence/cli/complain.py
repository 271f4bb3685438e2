"""`ringfence complain`: a customer is called by strangers on a number that was handed out."""

import click

from ringfence import Client
from ringfence.cli.options import Moment, client_options, note_option
from ringfence.cli.selection import one_number
from ringfence.engine.number import format_number


@click.command()
@click.argument("number")
@note_option(required=True)
@click.option(
    "--received-at",
    type=Moment(),
    metavar="TIME",
    help="When the complaint came in. Now, if not given.",
)
@client_options
def complain(number: str, note: str, received_at: int | None, client: Client) -> None:
    """Record that the owner of a number complains of strangers.

    The number is handed out, or was within 400 days. `ringfence pools` counts complaints for each
    1,000 numbers handed out: the yardstick of whether a policy works.
    """
    complained = one_number(number)
    client.report_complaint(complained, note=note, received_at=received_at)
    click.echo(f"complaint recorded: {format_number(complained)}")
