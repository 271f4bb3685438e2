"""`ringfence watch`: changes of verdicts as they happen."""

import time

import click

from ringfence import Client, NumberChange, Verdict, Watch
from ringfence.backoff import backoff_s
from ringfence.cli.options import client_options, json_option
from ringfence.cli.output import print_json
from ringfence.cli.selection import pool_option, verdict_option
from ringfence.engine.number import format_number
from ringfence.errors import RingfenceError, SlowWatcher, Unavailable, Unreachable
from ringfence.wording.times import time_text
from ringfence.wording.words import COLOURS

PAUSE_S_MAX = 10.0
_MENDED = (SlowWatcher, Unavailable, Unreachable)
_VERDICT_WIDTH = max(len(verdict.name) for verdict in Verdict)


@click.command()
@pool_option
@verdict_option("Only changes from or to this verdict")
@json_option
@client_options
def watch(pool: str, verdicts: tuple[str, ...], as_json: bool, client: Client) -> None:
    """Print each change of a verdict as it happens, until Ctrl-C.

    When the server cuts it off or goes away it connects again, and says on standard error that
    changes may have been missed; `ringfence history` has them all. The exit code after Ctrl-C is 0.
    """
    wanted = [Verdict[name.upper()] for name in verdicts]
    started, failures = False, 0
    try:
        while True:
            try:
                with client.watch_numbers(pool=pool, verdicts=wanted) as changes:
                    changes.wait_started()
                    if started:
                        _say("connected again")
                    started, failures = True, 0
                    _print(changes, as_json)
            except _MENDED as error:
                if not started:
                    raise
                if not failures:
                    _say(f"cut off, changes may be missed from here on: {_reason(error)}")
                failures += 1
                time.sleep(backoff_s(failures, PAUSE_S_MAX))
    except KeyboardInterrupt:
        return


def _print(changes: Watch, as_json: bool) -> None:
    """Prints the changes, each at once (click flushes), until the watch is cut."""
    for change in changes:
        if as_json:
            print_json(change)
        else:
            click.echo(_line(change))


def _line(change: NumberChange) -> str:
    previous, current = (
        click.style(name.ljust(_VERDICT_WIDTH), fg=COLOURS.get(name))
        for name in (
            verdict.name if verdict else "-" for verdict in (change.previous, change.current)
        )
    )
    moment, number = time_text(change.changed_at), format_number(change.number)
    return f"{moment}  {number:<16}  {previous}  ->  {current}  {change.pool}"


def _say(text: str) -> None:
    click.echo(text, err=True)


def _reason(error: RingfenceError) -> str:
    return str(error) or type(error).__name__
