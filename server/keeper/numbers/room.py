"""Room for numbers: slots of those that left are made ready for others before anybody asks.

It goes on in small steps on the keeper's loop. What holds it up is a worker that was stopped in the
middle of an insert; its supervisor ends it after some seconds.
"""

import asyncio
import time
from collections.abc import Callable

from ringfence.engine.table.slots import Slots
from ringfence.server.link.refusal import keeper_away

AHEAD_NUMBERS = 1 << 17
"""So many slots are ready if there are as many: those of two of the largest commands."""
NUMBERS_A_STEP = 2_048
"""Slots that leave the index, or are emptied, at once: a millisecond or two."""
PERIOD_S = 0.2
STEP_PERIOD_S = 0.002
PATIENCE_S = 5.0
HELD_UP_S = 1.0
"""After that it is worth being told."""


class Room:
    """What makes slots ready."""

    def __init__(self, slots: Slots, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds that only grow."""
        self._slots = slots
        self._clock = clock
        self._held_up_at: float | None = None

    @property
    def held_up(self) -> str:
        """Who holds up the slots of numbers that left, and how many; "" = nobody."""
        since, workers = self._held_up_at, self._slots.held_up_by()
        if not workers or since is None or self._clock() - since < HELD_UP_S:
            return ""
        return (
            f"slots of {self._slots.leaving} numbers that left are held up by"
            f" {', '.join(f'worker-{worker}' for worker in workers)}"
            f" for {self._clock() - since:.0f} s"
        )

    async def keep(self) -> None:
        """Keeps slots ready; never returns."""
        while True:
            done = self._step(AHEAD_NUMBERS)
            await asyncio.sleep(STEP_PERIOD_S if done else PERIOD_S)

    async def make(self, wanted: int) -> None:
        """Waits until so many slots are ready, of those that there are; raises a refusal after some
        seconds in which nothing becomes so.
        """
        last = self._clock()
        while self._slots.ready < wanted and (self._slots.free or self._slots.leaving):
            if self._step(wanted):
                last = self._clock()
            elif self._clock() - last > PATIENCE_S and (held_up := self.held_up):
                raise keeper_away(held_up)
            await asyncio.sleep(STEP_PERIOD_S)

    def _step(self, wanted: int) -> bool:
        """Brings some slots on their way; whether any went on."""
        slots = self._slots
        lack = wanted - slots.ready - slots.leaving
        parted = slots.part(min(lack, NUMBERS_A_STEP)) if lack > 0 else 0
        emptied = slots.empty(NUMBERS_A_STEP) if slots.leaving else 0
        if emptied or not slots.leaving:
            self._held_up_at = None
        elif self._held_up_at is None:
            self._held_up_at = self._clock()
        return bool(parted or emptied)
