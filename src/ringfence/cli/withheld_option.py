"""`--withheld TEXT`: what else this operator's equipment writes where there is no number."""

from collections.abc import Callable
from typing import Any

import click

from ringfence.wording.withheld import Withheld


def withheld_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--withheld TEXT`, as often as wanted; the command gets `withheld`, the list
    with them."""
    return click.option(
        "--withheld",
        metavar="TEXT",
        multiple=True,
        callback=_listed,
        help="A word or number that the equipment writes for callers without a number, beside the"
        " usual ones such as anonymous and asterisk; may be given several times.",
    )(function)


def _listed(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> Withheld:
    for text in texts:
        if not any(map(str.isalnum, text)):
            raise click.BadParameter(f"value={text[:40]!r}, bound=a word or a number")
    return Withheld(texts)
