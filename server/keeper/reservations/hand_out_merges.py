"""Runs of hand-outs are merged beside the keeper's loop, a slice at a time."""

import asyncio
from collections.abc import Callable

from ringfence.server.link.turns import Turns
from ringfence.server.state.hand_out_book import HandOutBook

PERIOD_S = 1.0


async def keep_merging(book: HandOutBook, turns: Turns, clock: Callable[[], int]) -> None:
    """Does what is due, whenever something is; never returns."""
    while True:
        await merge_due(book, turns, clock())
        await asyncio.sleep(PERIOD_S)


async def merge_due(book: HandOutBook, turns: Turns, now: int) -> None:
    """Does all that is due."""
    while (merge := book.due(now)) is not None:
        while (run := await turns.take(merge.step, later=True)) is None:
            pass
        book.put(merge, run)
        for former in merge.runs:
            while former.chunks:
                await turns.take(former.drop_some, later=True)
