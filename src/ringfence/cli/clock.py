"""`ringfence clock`: what time it is for the server, and whether it believes its wall clock."""

import click

from ringfence import AcceptedClock, Client, Status
from ringfence.cli.options import (
    Failed,
    ask_first,
    client_options,
    json_option,
    note_option,
    yes_option,
)
from ringfence.cli.output import print_facts, print_json
from ringfence.cli.settings import SettingsGroup
from ringfence.wording.times import time_text

_FIELDS = ("time", "time_dispute", "wall_clock", "wall_clock_synchronised")


class _ClockGroup(SettingsGroup):
    """A group that shows when no command is named."""

    unnamed = "show"


@click.group(cls=_ClockGroup)
def clock() -> None:
    """Show the time that the server has, or have its clock accepted.

    Without a command it shows.
    """


@clock.command()
@json_option
@client_options
def show(as_json: bool, client: Client) -> None:
    """Show the time that all decisions have, and the wall clock of the server's machine.

    Exit code 0: time is agreed; 1: it is disputed, and goes on without the wall clock.
    """
    now = client.get_status()
    if as_json:
        print_json({field: getattr(now, field) for field in _FIELDS})
    else:
        _print(now)
    if now.time_dispute:
        click.get_current_context().exit(1)


@clock.command()
@yes_option
@note_option()
@json_option
@client_options
def accept(yes: bool, note: str, as_json: bool, client: Client) -> None:
    """Have the server believe the wall clock of its machine.

    Only where time is disputed; look at another clock first, as there is no way back: time never
    goes back to before the newest command.

    Exit code 0: time is agreed; 1: the wall clock is before the newest command, and stays disputed.
    """
    now = client.get_status()
    if now.wall_clock is None:
        raise Failed("the server is older than this command, and does not dispute its clock")
    if now.time_dispute:
        if not yes:
            _print(now, err=True)
        ask_first(yes, f"Is it {time_text(now.wall_clock)}?")
        accepted = client.accept_clock(now.wall_clock, note=note)
    else:
        accepted = AcceptedClock(now.time or now.wall_clock, disputed=False)
    if as_json:
        print_json(accepted)
    else:
        disputed = "still" if accepted.disputed else "no"
        print_facts({"time": time_text(accepted.time), "disputed": disputed})
    if accepted.disputed:
        click.get_current_context().exit(1)


def clock_text(now: Status) -> str:
    """The time, and whether it is disputed."""
    if not now.time_dispute:
        return time_text(now.time)
    return f"{time_text(now.time)}, disputed: {now.time_dispute}"


def _print(now: Status, *, err: bool = False) -> None:
    state = "synchronised" if now.wall_clock_synchronised else "not synchronised"
    facts = {
        "time": time_text(now.time),
        "wall clock": f"{time_text(now.wall_clock)}, {state}",
        "disputed": now.time_dispute or "no",
    }
    if err:
        for name, value in facts.items():
            click.echo(f"{name}: {value}", err=True)
    else:
        print_facts(facts)
