"""Options that say which numbers are meant: by verdict, by prefix, how many, or one by itself."""

from collections.abc import Callable, Iterator
from functools import wraps
from itertools import islice
from typing import Any, TypeVar

import click

from ringfence import Verdict
from ringfence.cli.completion import complete_pool
from ringfence.wording.numbers import WrittenNumbers

T = TypeVar("T")
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

pool_option = click.option(
    "--pool",
    default="",
    metavar="NAME",
    shell_complete=complete_pool,
    help="Only those of this pool.",
)

LISTED_MAX = 1_000
_PAGE_MAX = 10_000
_LIMIT_MAX = 10**12  # more than there ever is to list


def limit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--limit` and `--all`; the command gets a `Limit`."""

    @click.option(
        "--limit",
        type=click.IntRange(1, _LIMIT_MAX),
        metavar="N",
        help=f"No more than so many; {LISTED_MAX:,} if not given.",
    )
    @click.option("--all", "everything", is_flag=True, help="However many there are.")
    @wraps(function)
    def command(*args: Any, limit: int | None, everything: bool, **kwargs: Any) -> Any:
        if limit is not None and everything:
            raise click.UsageError("--limit or --all, not both")
        return function(*args, limit=Limit(limit, everything=everything), **kwargs)

    return command


class Limit:
    """How many of a list are shown. What was left out is said, unless so many were asked for."""

    def __init__(self, asked: int | None, *, everything: bool) -> None:
        self._asked = asked
        self._most = None if everything else asked or LISTED_MAX

    @property
    def page_size(self) -> int:
        """How many to ask for at a time."""
        if self._most is None:
            return _PAGE_MAX
        return min(self._asked or self._most + 1, _PAGE_MAX)  # one more: are there more?

    def shown(self, listed: Iterator[T]) -> Iterator[T]:
        """The first of them; at their end it is said that there are more."""
        yield from islice(listed, self._most)
        if self._most is not None and self._asked is None and next(listed, None) is not None:
            click.echo(
                f"only the first {self._most:,} are listed; there are more: --limit N or --all",
                err=True,
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


def one_number(text: str, written: WrittenNumbers) -> int:
    """The number that is written; a range or anything else is wrong usage."""
    try:
        first, last = written.numbers(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if first != last:
        raise click.UsageError("one number at a time")
    return first
