"""`ringfence demo`: the whole of it in under a minute."""

import click

from ringfence.server.cli.options import Failed
from ringfence.server.cli.output import terminal
from ringfence.server.demo import run_demo
from ringfence.server.demo.process import DemoFailed


@click.command()
def demo() -> None:
    """Show it at work, in under a minute.

    A real server and a real adapter take a real switch's traffic, in a temporary folder; nothing is
    left behind.
    """
    try:
        run_demo(terminal())
    except DemoFailed as error:
        raise Failed(str(error)) from None
