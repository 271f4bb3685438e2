"""`ringfence explain`: all about one number, for the employee at the counter."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice

import click
from rich.text import Text

from ringfence import Client, HistoryEntry, Number, Policy, Reservation, Verdict
from ringfence.cli.history_text import history_lines
from ringfence.cli.options import (
    at_option,
    client_options,
    country_option,
    is_ahead,
    json_option,
)
from ringfence.cli.output import print_json, terminal
from ringfence.cli.selection import one_number
from ringfence.errors import RingfenceError
from ringfence.wording.explanation import explanation
from ringfence.wording.numbers import WrittenNumbers

HISTORY_SHOWN_MAX = 20
_OF_SILENCE = (Verdict.CLEAN, Verdict.AGING, Verdict.NOISY, Verdict.UNOBSERVED)


@click.command()
@click.argument("number", metavar="NUMBER")
@country_option
@at_option
@json_option
@client_options
def explain(
    number: str, written: WrittenNumbers, at: int | None, as_json: bool, client: Client
) -> None:
    """Say all about a number: its verdict, why, its history.

    With --at of a time to come it is a forecast: if the number stays silent and is listened to.
    Callers are only told apart ("caller 1 called 5 times"); who they are is nowhere stored.
    """
    asked = one_number(number, written)
    known = client.get_number(asked, at=at)
    entries, missing = _history(client, asked, at)
    if missing:
        click.echo(f"its history cannot be shown: {missing}", err=True)
    shown = None if entries is None else entries[:HISTORY_SHOWN_MAX]
    if as_json:
        print_json(known, history=shown)
        return
    asked_at = datetime.fromtimestamp(at or time.time(), UTC)
    reservation, forecast = _reservation(client, known), is_ahead(at)
    terminal().print(
        explanation(
            known,
            asked_at,
            reservation,
            forecast=forecast,
            on_trust=_is_on_trust(client, known),
            policy=_policy(client, known),
        )
    )
    if shown is not None and entries is not None:
        lines = history_lines(shown, more=len(entries) > len(shown))
        console = terminal()
        console.print(*_texts(lines), sep="\n", soft_wrap=not console.is_terminal)


def _history(
    client: Client, number: int, at: int | None
) -> tuple[Sequence[HistoryEntry] | None, str]:
    """The newest changes, one more than is shown; or None and why there are none to be had.

    The history is a database of its own: without it the verdict still holds.
    """
    until = None if at is None else at + 1
    size = HISTORY_SHOWN_MAX + 1
    try:
        listed = client.list_history(number, until=until, page_size=size)
        return tuple(islice(listed, size)), ""
    except RingfenceError as error:
        return None, str(error) or type(error).__name__


def _reservation(client: Client, number: Number) -> Reservation | None:
    """The reservation that holds the number; None when it is not to be had."""
    if not number.reservation:
        return None
    try:
        return client.get_reservation(number.reservation)
    except RingfenceError:
        return None


def _is_on_trust(client: Client, number: Number) -> bool:
    """Whether nobody has to listen for its pool; False when that is not to be had, or no matter."""
    if number.verdict not in _OF_SILENCE:
        return False
    try:
        required = {status.pool.name: status.pool.required_feeds for status in client.list_pools()}
    except RingfenceError:
        return False
    return required.get(number.pool) == ()


def _policy(client: Client, number: Number) -> Policy | None:
    """The policy that a noisy number broke; None when that is not to be had, or no matter."""
    if number.verdict != Verdict.NOISY:
        return None
    try:
        return next((each for each in client.list_policies() if each.name == number.policy), None)
    except RingfenceError:
        return None


def _texts(lines: Iterable[str]) -> list[Text]:
    return [Text(""), *map(Text, lines)]
