"""Options that say which numbers are meant: by verdict, by prefix, or one by itself."""

from collections.abc import Callable
from typing import Any

import click

from ringfence import Verdict
from ringfence.cli.number_input import parse_numbers

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class _Prefix(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """The first digits of numbers, with + or without."""

    name = "prefix"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        digits = str(value).removeprefix("+")
        if digits and not (digits.isascii() and digits.isdigit()):
            self.fail(f"value={value!r}, bound=digits", param, ctx)
        return digits


prefix_option = click.option(
    "--prefix",
    type=_Prefix(),
    default="",
    metavar="DIGITS",
    help="Only those that begin so, as +4477.",
)
"""Adds `--prefix`; the command gets its digits."""

pool_option = click.option("--pool", default="", metavar="NAME", help="Only those of this pool.")

limit_option = click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="No more than so many."
)


def verdict_option(help: str, *, without: Verdict | None = None) -> Decorator:
    """Adds `--verdict`, as often as needed; the command gets `verdicts`, their names."""
    return click.option(
        "--verdict",
        "verdicts",
        type=click.Choice(
            [verdict.name for verdict in Verdict if verdict != without], case_sensitive=False
        ),
        multiple=True,
        help=f"{help}; may be given several times.",
    )


def one_number(text: str) -> int:
    """The number that is written +...; a range or anything else is wrong usage."""
    try:
        first, last = parse_numbers(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if first != last:
        raise click.UsageError("one number at a time")
    return first
