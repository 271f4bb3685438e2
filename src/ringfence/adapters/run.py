"""Running an adapter: live until a signal comes, or over a file until all is answered."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from ringfence import EventStream, EventStreamStats
from ringfence.adapters.base import Attempt, Source, summary

SIGNALS = (signal.SIGTERM, signal.SIGINT)
LOOK_S = 1.0
SUMMARY_S = 60.0
READ_AT_ONCE = 1_000
"""Records of a file read before others get their turn."""


class NotAnswered(Exception):
    """The server has not answered anything for as long as one was willing to wait."""


async def run_live(
    source: Source,
    stream: EventStream,
    *,
    patience_s: float,
    say_ready: Callable[[str], None],
    say: Callable[[str], None],
) -> None:
    """Listens until SIGTERM or SIGINT, then hands on what had arrived and waits for its answers.

    Raises what stopped the stream or the source, and NotAnswered.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    # The source first: claims begin when the stream is entered, and by then somebody must listen.
    where = await source.open()
    async with stream:
        await source.start()
        say_ready(where)
        waiting = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(_look(source, stream, say)),
            asyncio.create_task(source.failed()),
            asyncio.create_task(stream.wait_stopped()),
        ]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for number in SIGNALS:  # a second one does not wait for anything
                loop.remove_signal_handler(number)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
            await source.close()
        for task in done:
            task.result()
        await answered(stream.flush(), stream, patience_s)


async def run_replay(
    attempts: Iterable[list[Attempt]], stream: EventStream, *, patience_s: float
) -> None:
    """Sends the attempts of each record and waits until all are answered.

    Raises what stopped the stream, what reading raises (after the attempts before were answered),
    and NotAnswered.
    """

    async def send_all() -> None:
        try:
            for count, of_record in enumerate(attempts):
                for attempt in of_record:
                    await stream.send_wait(
                        attempt.called, attempt.caller, attempt.occurred_at, attempt.kind
                    )
                if count % READ_AT_ONCE == 0:
                    await asyncio.sleep(0)
        finally:
            await stream.flush()

    async with stream:
        await answered(send_all(), stream, patience_s)


async def answered(work: Coroutine[Any, Any, None], stream: EventStream, patience_s: float) -> None:
    """Does work that waits for answers, as long as some come within `patience_s`."""
    working = asyncio.create_task(work)
    settled, since = -1, time.monotonic()
    while not working.done():
        await asyncio.wait({working}, timeout=min(LOOK_S, patience_s))
        stats = stream.stats
        if stats.answered != settled or not stats.unanswered:
            settled, since = stats.answered, time.monotonic()
        elif time.monotonic() - since >= patience_s:
            working.cancel()
            await asyncio.wait({working})
            raise NotAnswered(
                f"no answer for {patience_s:g} s: events not answered: {stats.unanswered:,}"
            )
    working.result()


async def _look(source: Source, stream: EventStream, say: Callable[[str], None]) -> None:
    last_said = time.monotonic()
    answered_before = stream.answering
    said = _lines(source, stream)
    while True:
        await asyncio.sleep(LOOK_S)
        source.look()
        answers_now = stream.answering
        if answered_before is None and stream.stats.watermark:  # between two looks
            answered_before = True
        if answered_before and answers_now is False:
            say("the server does not answer any more: events wait here until it does")
        elif answered_before is False and answers_now:
            say("the server answers again")
        answered_before = answers_now
        if time.monotonic() - last_said >= SUMMARY_S:
            last_said = time.monotonic()
            lines = _lines(source, stream)
            for line, before in zip(lines, said, strict=True):
                if line != before:  # a switch that is silent all night fills no log
                    say(line)
            said = lines


def _lines(source: Source, stream: EventStream) -> tuple[str, str]:
    return f"read {summary(source.tally)}", f"sent {sent_summary(stream.stats)}"


def sent_summary(stats: EventStreamStats) -> str:
    """What became of the events sent, as one line of `name=count`."""
    names = ("accepted", "untracked", "rejected", "dropped", "late", "refused", "unanswered")
    return " ".join(f"{name}={getattr(stats, name)}" for name in names)
