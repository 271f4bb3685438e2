"""`ringfence hold`, `unhold`, `restore`, `retire`, `override`, `move`: operators' commands."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from ringfence import Client, CommandResult, Refusal
from ringfence.cli.completion import complete_pool
from ringfence.cli.number_input import NumberInput
from ringfence.cli.options import (
    Command,
    ask_first,
    client_options,
    json_option,
    note_option,
    numbers_input,
    yes_option,
)
from ringfence.cli.output import print_facts, print_json, progress
from ringfence.engine.number import format_number
from ringfence.errors import RingfenceError

AT_ONCE = 65_536  # as many as fit a message
REFUSED_SHOWN_MAX = 100

Numbers = npt.NDArray[np.uint64]


def _options(*, note_needed: bool = False) -> Callable[[Command], Command]:
    """Adds what these commands share; they get `numbers`, each once, `note`, `as_json`, `client`"""

    def decorate(function: Command) -> Command:
        @numbers_input
        @note_option(required=note_needed)
        @json_option
        @client_options
        @wraps(function)
        def command(*, given: NumberInput, **others: Any) -> Any:
            return function(numbers=np.unique(given.read().number), **others)

        return command

    return decorate


@click.command()
@_options()
def hold(numbers: Numbers, note: str, as_json: bool, client: Client) -> None:
    """Keep numbers back, whatever their verdict.

    From quarantine or from a reservation, which goes on without them. The exit code is 1 if a
    number was refused, as its state does not allow it; the others are held.
    """
    _carry_out("held", partial(client.hold_numbers, note=note), numbers, as_json)


@click.command()
@_options()
def unhold(numbers: Numbers, note: str, as_json: bool, client: Client) -> None:
    """Put held numbers back into quarantine.

    Their quarantine goes on as if they had never been held.
    """
    _carry_out("back in quarantine", partial(client.unhold_numbers, note=note), numbers, as_json)


@click.command()
@_options()
@yes_option
def restore(numbers: Numbers, note: str, yes: bool, as_json: bool, client: Client) -> None:
    """Give numbers back to their former owners.

    From quarantine, hold or retirement. They are no longer tracked, and their events are forgotten.
    """
    ask_first(yes, f"Give {_counted(numbers)} back to the former owners? Their events are lost.")
    _carry_out("restored", partial(client.restore_numbers, note=note), numbers, as_json)


@click.command()
@_options(note_needed=True)
@yes_option
def retire(numbers: Numbers, note: str, yes: bool, as_json: bool, client: Client) -> None:
    """Take numbers out of use for good.

    From quarantine or hold.
    """
    ask_first(yes, f"Take {_counted(numbers)} out of use for good?")
    _carry_out("retired", partial(client.retire_numbers, note=note), numbers, as_json)


@click.command()
@_options(note_needed=True)
@yes_option
def override(numbers: Numbers, note: str, yes: bool, as_json: bool, client: Client) -> None:
    """Declare quarantined numbers clean, against all rules.

    They stay clean until the next event that counts.
    """
    ask_first(yes, f"Declare {_counted(numbers)} clean, whatever the traffic was?")
    _carry_out("overridden", partial(client.override_numbers, note=note), numbers, as_json)


@click.command()
@_options()
@click.option(
    "--pool",
    required=True,
    metavar="NAME",
    shell_complete=complete_pool,
    help="The pool to move them to.",
)
def move(numbers: Numbers, pool: str, note: str, as_json: bool, client: Client) -> None:
    """Move numbers to another pool, and under its policy.

    From quarantine or hold.
    """
    _carry_out("moved", partial(client.move_numbers, pool=pool, note=note), numbers, as_json)


def _counted(numbers: Numbers) -> str:
    return f"{len(numbers):,} number{'' if len(numbers) == 1 else 's'}"


def _carry_out(
    done: str, send: Callable[[list[int]], CommandResult], numbers: Numbers, as_json: bool
) -> None:
    """Sends the numbers, message after message, and says what became of them."""
    changed: list[int] = []
    refused: list[Refusal] = []
    with progress("sending", len(numbers)) as bar:
        for begin in range(0, len(numbers), AT_ONCE):
            try:
                result = send(numbers[begin : begin + AT_ONCE].tolist())
            except RingfenceError:
                if begin:
                    click.echo(f"before the error: {done} {len(changed):,}", err=True)
                raise
            changed += result.changed
            refused += result.refused
            bar.update(bar.task_ids[0], completed=min(begin + AT_ONCE, len(numbers)))
    if as_json:
        print_json(CommandResult(tuple(changed), tuple(refused)))
    else:
        print_facts({done: f"{len(changed):,}", "refused": f"{len(refused):,}"})
        for refusal in refused[:REFUSED_SHOWN_MAX]:
            click.echo(f"  {format_number(refusal.number)}  {refusal.verdict.name}")
        if len(refused) > REFUSED_SHOWN_MAX:
            click.echo(f"  and {len(refused) - REFUSED_SHOWN_MAX:,} more (--json has all)")
    if refused:
        click.get_current_context().exit(1)
