"""How many calls of one who asks are passed on to the keeper at once: others of his wait here.

The keeper takes calls off its connections one after the other, in the order in which they came,
and only then knows whose they are. So a call waits there for few of anybody else's.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

PASSING_MAX = 8
"""Of one who asks, in one worker: enough to share a write to the disk."""


@dataclass(slots=True)
class _Lane:
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PASSING_MAX))
    calls: int = 0


class PassingCalls:
    """Calls by who asks; those that wait pass in the order in which they came. On one loop."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}

    @asynccontextmanager
    async def place(self, who: str) -> AsyncIterator[None]:
        """A place for a call, when there is one."""
        lane = self._lanes.setdefault(who, _Lane())
        lane.calls += 1
        try:
            async with lane.places:
                yield
        finally:
            lane.calls -= 1
            if not lane.calls:
                del self._lanes[who]
