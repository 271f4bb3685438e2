"""`--agent WHO`: the HEP agents that are listened to, where not everybody is."""

from collections.abc import Callable
from typing import Any

import click

from ringfence.adapters.agents import Agent


def agent_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--agent WHO`, as often as wanted; the command gets `agents`."""
    return click.option(
        "--agent",
        "agents",
        metavar="ID|ADDRESS|ID=ADDRESS",
        multiple=True,
        callback=_read,
        help="Listen to this agent, named by its HEP capture id, by the address or network that it"
        " sends from, or by both; may be given several times. What others send is counted and"
        " costs no coverage. Without it everybody is listened to.",
    )(function)


def _read(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[Agent, ...]:
    try:
        return tuple(map(Agent.parse, texts))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
