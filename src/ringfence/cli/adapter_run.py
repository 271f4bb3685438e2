"""What the commands of all adapters share: options, and what is said while they run and after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import click

from ringfence import EventStream, RingfenceError, Tls
from ringfence.adapters.base import Tally, summary
from ringfence.adapters.first_look import look_at_server
from ringfence.adapters.run import NotAnswered, sent_summary
from ringfence.cli.error_text import in_words
from ringfence.cli.options import Failed, NotReached, Timeout

Say = Callable[[str], None]

lateness_option = click.option(
    "--lateness",
    type=click.IntRange(0, 3_600),
    metavar="SECONDS",
    default=5,
    show_default=True,
    help="How late a report may arrive and still be in the claim of its time.",
)
patience_option = click.option(
    "--timeout",
    type=Timeout(),
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="How long to wait for any answer before a replay, or stopping, gives up.",
)


def said_by(name: str) -> Say:
    """Says a line on standard error as the adapter of that name."""
    return lambda text: click.echo(f"ringfence adapter {name}: {_one_line(text)}", err=True)


def _one_line(text: str) -> str:
    """What a terminal or a log takes for text and no more: a file may be called anything."""
    if text.isprintable():
        return text
    signs = (each if each.isprintable() else each.encode("unicode_escape") for each in text)
    return "".join(each if isinstance(each, str) else each.decode() for each in signs)


def no_pass_phrase() -> str:
    """What a key that wants one is told: nobody is asked, as nobody may be there."""
    raise OSError("the key has a pass phrase; allowed: a key without one")


def run_beside_look(
    running: Coroutine[Any, Any, None],
    server: str,
    feed: str,
    tls: Tls | None,
    say: Say,
    *more: Coroutine[Any, Any, None],
) -> None:
    """Runs an adapter; looks at what surrounds it, the server first, hold it up neither at its
    start nor at its end.
    """

    async def beside() -> None:
        looks = (look_at_server(server, feed, tls, say), *more)
        looking = [asyncio.create_task(look) for look in looks]
        try:
            await running
        finally:
            for task in looking:
                task.cancel()
            await asyncio.wait(looking)

    asyncio.run(beside())


@contextmanager
def summed_up(server: str, tally: Tally, stream: EventStream, say: Say) -> Iterator[None]:
    """Says at the end what was read and sent; what went wrong becomes an error of the command."""
    try:
        yield
    except NotAnswered as error:
        raise NotReached(f"{server}: {error}") from None
    except (RingfenceError, OSError) as error:
        raise Failed(str(error)) from None
    finally:
        say(f"read {summary(tally)}")
        say(f"sent {sent_summary(stream.stats)}")
        for reason in stream.stats.rejections:
            say(f"rejected {in_words(reason)}")
    if stream.stats.refused_batches:
        raise Failed(f"the server refused events: refused={stream.stats.refused}")
