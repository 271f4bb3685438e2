"""What the adapters that take lines live share: the desk, its stream, and what is said of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import click

from ringfence import EventStream, Tls
from ringfence.adapters.base import Tally
from ringfence.adapters.first_hint import WAIT_S, hint_of
from ringfence.adapters.ndjson.desk import Desk
from ringfence.adapters.ndjson.hearing import Hearing
from ringfence.cli.adapter_run import Say
from ringfence.event_batch import SentEvent
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld


def live_desk(
    feed: str, plan: DialPlan, withheld: Withheld, server: str, tls: Tls | None
) -> tuple[EventStream, Desk, Hearing]:
    """What takes lines live, and the stream that it fills; claims are what was heard."""

    def lose(began: int, ended: int) -> None:
        stream.lose(began, ended)

    def not_taken(events: Sequence[SentEvent]) -> None:
        desk.lost(events)

    hearing = Hearing(lose, time.time())
    try:
        stream = EventStream(
            server,
            feed,
            lateness_s=0.0,
            heard_until=lambda: float(hearing.until),
            on_lost=not_taken,
            tls=tls,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    desk = Desk(stream, hearing, plan, withheld=withheld)
    return stream, desk, hearing


async def say_what_is_missing(
    tally: Tally, has_heard: Callable[[], bool], say: Say, *, wait_s: float = WAIT_S
) -> None:
    """Says once, after a while, that nothing comes, or that nothing is claimed."""
    await asyncio.sleep(wait_s)
    if not any(tally.values()):
        say(f"after {wait_s:g} s nothing has arrived: does the program that should write run?")
    elif hint := hint_of(tally):
        say(f"after {wait_s:g} s {hint}")
    if not has_heard():
        say(
            f"after {wait_s:g} s no line said heard_from and heard_to: nothing is claimed, so that"
            " silence proves nothing"
        )
