"""`ringfence demo`: the whole of it in under a minute."""

import click

from ringfence.cli.options import Failed
from ringfence.cli.output import terminal
from ringfence.demo import run_demo
from ringfence.demo.process import DemoFailed


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
