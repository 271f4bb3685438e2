"""`ringfence reservations`: which reservations there are, and one with its numbers."""

import click

from ringfence import Client, Reservation, ReservationState
from ringfence.cli.options import client_options, json_option
from ringfence.cli.output import print_facts, print_json, print_rows
from ringfence.cli.selection import pool_option
from ringfence.engine.number import format_number
from ringfence.wording.times import time_text

_STATES = [state.name for state in ReservationState]
_NOT_LISTED = ("numbers", "refused")


@click.command()
@click.argument("id", required=False)
@pool_option
@click.option(
    "--state",
    "states",
    type=click.Choice(_STATES, case_sensitive=False),
    multiple=True,
    help="Only those in this state; may be given several times.",
)
@json_option
@client_options
def reservations(
    id: str | None, pool: str, states: tuple[str, ...], as_json: bool, client: Client
) -> None:
    """List reservations, or show one with its numbers.

    Those that ended are listed for a day, if the server's configuration does not say otherwise.
    """
    if id is not None:
        if pool or states:
            raise click.UsageError("an ID, or --pool and --state, not both")
        print_reservation(client.get_reservation(id), as_json=as_json)
        return
    listed = client.list_reservations(
        pool=pool, states=[ReservationState[name.upper()] for name in states]
    )
    if as_json:
        for reservation in listed:
            print_json(reservation, without=_NOT_LISTED)
    else:
        print_rows(
            ("RESERVATION", "STATE", "POOL", "NUMBERS", "CREATED AT", "EXPIRES AT", "ACTOR"),
            (
                (
                    found.id,
                    found.state.name,
                    found.pool,
                    str(found.count),
                    time_text(found.created_at),
                    time_text(found.expires_at),
                    found.actor or "-",
                )
                for found in listed
            ),
        )


def print_reservation(reservation: Reservation, *, as_json: bool) -> None:
    """Prints a reservation with its numbers, one to a line, and those that it does not hold."""
    if as_json:
        print_json(reservation)
        return
    print_facts(
        {
            "reservation": reservation.id,
            "state": reservation.state.name,
            "pool": reservation.pool,
            "actor": reservation.actor or "-",
            "created at": time_text(reservation.created_at),
            "expires at": time_text(reservation.expires_at),
            "numbers": f"{reservation.count:,}",
        }
    )
    for number in reservation.numbers:
        click.echo(f"  {format_number(number)}")
    if reservation.refused:
        print_facts({"not held": f"{len(reservation.refused):,}"})
        for refusal in reservation.refused:
            click.echo(f"  {format_number(refusal.number)}  {refusal.verdict.name}")
