"""`ringfence adapter`: feeds a server from a switch."""

import click

from ringfence.cli.cdr_adapter import cdr
from ringfence.cli.hep_adapter import hep
from ringfence.cli.http_adapter import http
from ringfence.cli.kamailio_adapter import kamailio
from ringfence.cli.ndjson_adapter import ndjson
from ringfence.cli.smpp_adapter import smpp
from ringfence.cli.tap_adapter import tap


@click.group()
def adapter() -> None:
    """Send what a switch reports to a server.

    Each kind of interface has its own command.
    """


adapter.add_command(cdr)
adapter.add_command(hep)
adapter.add_command(http)
adapter.add_command(kamailio)
adapter.add_command(ndjson)
adapter.add_command(smpp)
adapter.add_command(tap)
