"""`ringfence adapter`: feeds a server from a switch."""

import click

from ringfence.adapters.hep_command import hep


@click.group()
def adapter() -> None:
    """Send what a switch reports to a server.

    Each kind of interface has its own command.
    """


adapter.add_command(hep)
